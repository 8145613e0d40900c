/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * io_uring: work that never appears as a system call.
 *
 * Hooks: io_uring_submit_req (io_uring_submit_sqe before kernel 6.3), for each request that is taken from a submission
 * queue, also where a kernel thread takes it; io_uring_file_get, when the file behind a request's descriptor is looked up.
 * Which of its arguments is the request or the opcode differs between kernels; user space reads it from BTF.
 *
 * Not seen: files that were registered with the ring beforehand, by their index there; direct descriptors.
 */

#if URING_REQUEST_ARGUMENT >= 0 || URING_OPCODE_ARGUMENT >= 0
int on_uring_submit(struct bpf_raw_tracepoint_args *ctx)
{
	struct scene scene = {};
	u8 opcode = 0;

	if (!enter_scene(&scene, SCRATCH_URING))
		return 0;
#if URING_REQUEST_ARGUMENT >= 0
	struct io_kiocb *request = (struct io_kiocb *)ctx->args[URING_REQUEST_ARGUMENT];

	KERNEL_READ(opcode, &request->opcode);
#else
	opcode = ctx->args[URING_OPCODE_ARGUMENT];
#endif
	set_bit(&scene, 2 * CALLS_PER_TABLE + (opcode < URING_OPCODES ? opcode : URING_OPCODES - 1), 0);
	return 0;
}

int on_uring_file(struct bpf_raw_tracepoint_args *ctx)
{
	struct scene scene = {};
	struct task_struct *task = CURRENT_TASK();

	if (enter_scene(&scene, SCRATCH_URING))
		see_descriptor(&scene, FOLLOW(task, files), ctx->args[1]);
	return 0;
}
#endif
