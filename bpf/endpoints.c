/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Endpoints: what a replica connects to and listens on.
 *
 * Hooks: none of their own. Both ends of a socket are read from the socket itself, at the first use of its descriptor in a
 * window, whenever they changed since (files.c), and at the call that follows bind, connect or listen (calls.c): so sockets that were open before the agent are seen as well, and what
 * is seen can't be forged. The address of a datagram that is sent without connecting is the one thing that stands only in
 * the caller's memory; it is read at sys_enter of sendto, sendmsg and sendmmsg (the first message).
 *
 * A TCP connection that is refused is seen as it is tried (tcp.c). Not seen: where raw sockets send to.
 */

#define AF_UNIX		  1
#define AF_INET		  2
#define AF_INET6	  10
#define STATE_ESTABLISHED 1
#define STATE_CLOSE	  7
#define STATE_LISTEN	  10
#define SOCK_RAW	  3

static __attribute__((always_inline)) struct sock *socket_of(struct file *file)
{
	struct socket *socket = NULL;
	struct sock *sock = NULL;

	KERNEL_READ(socket, &file->private_data);
	KERNEL_READ(sock, &socket->sk);
	return sock;
}

/* Copy the name of a unix socket, without its family; returns its bytes, 0 if it has none. */
static __attribute__((always_inline)) u16 write_unix_name(char *into, struct unix_sock *sock)
{
	struct unix_address *address = NULL;
	int bytes = 0;

	KERNEL_READ(address, &sock->addr);
	if (!address)
		return 0;
	KERNEL_READ(bytes, &address->len);
	/* A struct sockaddr_un: its family comes first. */
	bpf_probe_read_kernel(into, UNIX_NAME_BYTES, address->name + sizeof(u16));
	return bytes > (int)sizeof(u16) ? bytes - sizeof(u16) : 0;
}

static __attribute__((always_inline)) bool see_unix(struct scene *scene, struct sock *sock)
{
	struct unix_endpoint *ends = &scene->scratch->local;
	struct seen_key key = {.slot = scene->slot, .kind = RECORD_ENDPOINT};
	struct sock *peer = NULL;

	__builtin_memset(ends, 0, sizeof(*ends));
	KERNEL_READ(ends->type, &sock->sk_type);
	ends->own_bytes = write_unix_name(ends->own, (struct unix_sock *)sock);
	KERNEL_READ(peer, &((struct unix_sock *)sock)->peer);
	if (peer)
		ends->peer_bytes = write_unix_name(ends->peer, (struct unix_sock *)peer);
	if (!ends->own_bytes && !ends->peer_bytes)
		return true;
	key.word[0] = AF_UNIX;
	key.word[1] = hash_of(scene->scratch->payload, sizeof(*ends), sizeof(*ends));
	if (was_stored(scene, &key) || !has_room(scene, RECORD_ENDPOINT, MAX_ENDPOINTS))
		return true;
	begin_record(scene->scratch, RECORD_ENDPOINT);
	scene->scratch->head.family = AF_UNIX;
	return store(scene, &key, sizeof(*ends));
}

/*
 * Store the endpoint that stands in the payload. The local port is a feature only where the replica listens: the port that
 * a connection was made from is the kernel's choice, and new each time.
 */
static __attribute__((always_inline)) bool store_endpoint(struct scene *scene, u16 family)
{
	struct endpoint *ends = &scene->scratch->internet;
	struct seen_key key = {.slot = scene->slot, .kind = RECORD_ENDPOINT};
	bool has_remote = ends->remote_port != 0;

	key.word[0] = *(u64 *)&ends->remote[0];
	key.word[1] = *(u64 *)&ends->remote[8];
	key.word[2] = (u64)ends->remote_port << 16 | (has_remote ? 0 : ends->local_port);
	key.word[3] = (u64)family << 32 | (u32)ends->protocol << 16 | ends->type;
	key.word[4] = has_remote ? 0 : ends->state;
	if (was_stored(scene, &key) || !has_room(scene, RECORD_ENDPOINT, MAX_ENDPOINTS))
		return true;
	begin_record(scene->scratch, RECORD_ENDPOINT);
	scene->scratch->head.family = family;
	return store(scene, &key, sizeof(*ends));
}

/* Whether a connection came in at a port that the replica listens on; notes the port of a listener. */
static __attribute__((always_inline)) bool came_in(struct scene *scene, struct sock_common *ends)
{
	struct listening_key key = {.slot = scene->slot, .port = ends->skc_num};
	u8 yes = 1;

	if (ends->skc_state == STATE_LISTEN) {
		listening.update(&key, &yes);
		return false;
	}
	return ends->skc_dport && listening.lookup(&key);
}

static __attribute__((always_inline)) bool see_internet(struct scene *scene, struct sock *sock,
							struct sock_common *common)
{
	struct endpoint *ends = &scene->scratch->internet;
	u16 type = 0;

	/*
	 * A connection that is over no longer has its own port, so which side made it can't be told. It was seen while it was
	 * open, or as it was tried.
	 */
	if (common->skc_state == STATE_CLOSE && common->skc_dport)
		return true;
	if (came_in(scene, common))
		return true;
	__builtin_memset(ends, 0, sizeof(*ends));
	KERNEL_READ(ends->protocol, &sock->sk_protocol);
	KERNEL_READ(type, &sock->sk_type);
	ends->type = type;
	ends->state = common->skc_state;
	ends->remote_port = __builtin_bswap16(common->skc_dport);
	ends->local_port = common->skc_num;
	if (common->skc_family == AF_INET6)
		KERNEL_READ(ends->remote, &sock->skc_v6_daddr);
	else
		*(u32 *)ends->remote = common->skc_daddr;
	/* Neither bound nor connected yet. */
	if (!ends->remote_port && !ends->local_port)
		return true;
	return store_endpoint(scene, common->skc_family);
}

/* See both ends of a socket; true unless a record has to be tried again. */
static __attribute__((always_inline)) bool see_socket(struct scene *scene, struct sock *sock,
						      struct sock_common *common)
{
	if (common->skc_family == AF_UNIX)
		return see_unix(scene, sock);
	if (common->skc_family == AF_INET || common->skc_family == AF_INET6)
		return see_internet(scene, sock, common);
	return true;
}

/* The user's struct sockaddr_in or sockaddr_in6 (include/uapi/linux/in.h, in6.h). */
struct user_address {
	u16 family;
	u16 port;
	u32 ipv4;
	u8 ipv6[16];
};

/* See where a datagram is sent that carries its address with it. */
static __attribute__((always_inline)) void see_sent_to(struct scene *scene, u64 address, u32 bytes)
{
	struct endpoint *ends = &scene->scratch->internet;
	struct user_address to = {};

	if (!address || bytes < 8)
		return;
	if (bpf_probe_read_user(&to, bytes < sizeof(to) ? 8 : sizeof(to), (const void *)address))
		return;
	if ((to.family != AF_INET && to.family != AF_INET6) || !to.port)
		return;
	__builtin_memset(ends, 0, sizeof(*ends));
	ends->protocol = 17;
	ends->type = 2;
	ends->state = STATE_ESTABLISHED;
	ends->remote_port = __builtin_bswap16(to.port);
	if (to.family == AF_INET)
		*(u32 *)ends->remote = to.ipv4;
	else
		__builtin_memcpy(ends->remote, to.ipv6, sizeof(to.ipv6));
	store_endpoint(scene, to.family);
}

/* The user's struct msghdr begins with the address and its length (include/linux/socket.h). */
struct user_message {
	u64 address;
	u32 bytes;
	u32 zero;
};

static __attribute__((always_inline)) void see_message(struct scene *scene, u64 header)
{
	struct user_message message = {};

	if (!bpf_probe_read_user(&message, sizeof(message), (const void *)header))
		see_sent_to(scene, message.address, message.bytes);
}
