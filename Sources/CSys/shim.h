#pragma once
// What Glibc's Swift overlay lacks: thin static inline wrappers over system calls, nothing else.
#include <stdint.h>
