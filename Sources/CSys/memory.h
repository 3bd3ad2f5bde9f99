#pragma once
// Random bytes and the allocator's dials: what the Glibc overlay does not import.
#include <malloc.h>
#include <stddef.h>
#include <sys/random.h>
#include <sys/types.h>

// Random bytes from the kernel, at most `count` of them; -1 and errno on failure.
static inline ssize_t varve_getrandom(void *bytes, size_t count) { return getrandom(bytes, count, 0); }

// Sets the block size from which malloc maps memory afresh, and the size of the free top that it keeps.
static inline void varve_malloc_thresholds(int mmap_bytes, int trim_bytes) {
    mallopt(M_MMAP_THRESHOLD, mmap_bytes);
    mallopt(M_TRIM_THRESHOLD, trim_bytes);
}

// Gives free memory back to the system.
static inline void varve_malloc_trim(void) { malloc_trim(0); }
