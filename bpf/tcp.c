/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * TCP connections, as they are tried.
 *
 * Hook: inet_sock_set_state, in the context of the task that connects or listens. A connection that is refused is reset
 * before connect() returns, and its socket no longer knows where it was to go: this is the one moment to see it.
 */

#define STATE_SYN_SENT 2

int on_sock_state(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sock = (struct sock *)ctx->args[0];
	u32 state = ctx->args[2];
	struct sock_common ends = {};
	struct scene scene = {};

	if (state != STATE_SYN_SENT && state != STATE_LISTEN)
		return 0;
	if (!enter_scene(&scene, SCRATCH_TCP))
		return 0;
	KERNEL_READ(ends, sock);
	ends.skc_state = state; /* it takes effect right after this hook */
	see_socket(&scene, sock, &ends);
	return 0;
}
