#pragma once
// What Glibc's Swift overlay lacks: thin static inline wrappers over system calls, nothing else.
#include <stdint.h>
#include "blake2b4.h"
#include "memory.h"
