/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * BCC's ring-buffer macro multiplies its page count by PAGE_SIZE. The agent defines it from the node's own page size
 * (agent/probe.py); this is the value for an editor that opens a file by itself.
 */
#pragma once
#ifndef PAGE_SIZE
#define PAGE_SIZE 4096
#endif
