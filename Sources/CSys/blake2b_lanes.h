#pragma once
// The compression function of BLAKE2b (RFC 7693, section 3.2) on four or eight messages at once: lane k of every vector
// belongs to message k. The digests are those of the plain function; only the speed differs. Little-endian machines only.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

// One mixing of RFC 7693, section 3.1, on vector variables.
#define VARVE_B2_ROTATE(value, bits) (((value) >> (bits)) | ((value) << (64 - (bits))))
#define VARVE_B2_G(a, b, c, d, x, y) \
    do { \
        a = a + b + (x); \
        d = VARVE_B2_ROTATE(d ^ a, 32); \
        c = c + d; \
        b = VARVE_B2_ROTATE(b ^ c, 24); \
        a = a + b + (y); \
        d = VARVE_B2_ROTATE(d ^ a, 16); \
        c = c + d; \
        b = VARVE_B2_ROTATE(b ^ c, 63); \
    } while (0)

// One round: four columns, then four diagonals. The arguments are a row of the SIGMA table.
#define VARVE_B2_ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
    do { \
        VARVE_B2_G(v[0], v[4], v[8], v[12], m[s0], m[s1]); \
        VARVE_B2_G(v[1], v[5], v[9], v[13], m[s2], m[s3]); \
        VARVE_B2_G(v[2], v[6], v[10], v[14], m[s4], m[s5]); \
        VARVE_B2_G(v[3], v[7], v[11], v[15], m[s6], m[s7]); \
        VARVE_B2_G(v[0], v[5], v[10], v[15], m[s8], m[s9]); \
        VARVE_B2_G(v[1], v[6], v[11], v[12], m[s10], m[s11]); \
        VARVE_B2_G(v[2], v[7], v[8], v[13], m[s12], m[s13]); \
        VARVE_B2_G(v[3], v[4], v[9], v[14], m[s14], m[s15]); \
    } while (0)

// The function F of RFC 7693 for the words `m` of one block of each message.
#define VARVE_B2_F() \
    do { \
        counted += stepped; \
        for (int i = 0; i < 8; i++) v[i] = h[i]; \
        v[8] = (vector){} + 0x6a09e667f3bcc908ULL; \
        v[9] = (vector){} + 0xbb67ae8584caa73bULL; \
        v[10] = (vector){} + 0x3c6ef372fe94f82bULL; \
        v[11] = (vector){} + 0xa54ff53a5f1d36f1ULL; \
        v[12] = ((vector){} + 0x510e527fade682d1ULL) ^ counted; \
        v[13] = (vector){} + 0x9b05688c2b3e6c1fULL; \
        v[14] = ((vector){} + 0x1f83d9abfb41bd6bULL) ^ ended; \
        v[15] = (vector){} + 0x5be0cd19137e2179ULL; \
        VARVE_B2_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); \
        VARVE_B2_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3); \
        VARVE_B2_ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4); \
        VARVE_B2_ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8); \
        VARVE_B2_ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13); \
        VARVE_B2_ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9); \
        VARVE_B2_ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11); \
        VARVE_B2_ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10); \
        VARVE_B2_ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5); \
        VARVE_B2_ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0); \
        VARVE_B2_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); \
        VARVE_B2_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3); \
        for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8]; \
    } while (0)

// Compresses `blocks` blocks of 128 bytes from each of the four addresses. `state` holds word i of lane k at
// [4 * i + k]. Each block adds `step[k]` to `count[k]`; `last[k]` is all ones if the block is the message's last, else
// zero. If any is, `blocks` is 1.
static inline __attribute__((always_inline)) void varve_b2_blocks4(
    uint64_t *state, uint64_t *count, const uint8_t *const *input, const uint64_t *step, const uint64_t *last,
    size_t blocks
) {
    typedef uint64_t vector __attribute__((vector_size(32)));
    vector h[8], v[16], m[16], counted, stepped, ended;
    memcpy(h, state, sizeof h);
    memcpy(&counted, count, sizeof counted);
    memcpy(&stepped, step, sizeof stepped);
    memcpy(&ended, last, sizeof ended);
    const uint8_t *in0 = input[0], *in1 = input[1], *in2 = input[2], *in3 = input[3];
    for (; blocks > 0; blocks--, in0 += 128, in1 += 128, in2 += 128, in3 += 128) {
        for (int i = 0; i < 16; i += 4) {  // four rows of four words, transposed
            vector r0, r1, r2, r3;
            memcpy(&r0, in0 + 8 * i, 32);
            memcpy(&r1, in1 + 8 * i, 32);
            memcpy(&r2, in2 + 8 * i, 32);
            memcpy(&r3, in3 + 8 * i, 32);
            vector even01 = __builtin_shufflevector(r0, r1, 0, 4, 2, 6);
            vector odd01 = __builtin_shufflevector(r0, r1, 1, 5, 3, 7);
            vector even23 = __builtin_shufflevector(r2, r3, 0, 4, 2, 6);
            vector odd23 = __builtin_shufflevector(r2, r3, 1, 5, 3, 7);
            m[i] = __builtin_shufflevector(even01, even23, 0, 1, 4, 5);
            m[i + 1] = __builtin_shufflevector(odd01, odd23, 0, 1, 4, 5);
            m[i + 2] = __builtin_shufflevector(even01, even23, 2, 3, 6, 7);
            m[i + 3] = __builtin_shufflevector(odd01, odd23, 2, 3, 6, 7);
        }
        VARVE_B2_F();
    }
    memcpy(state, h, sizeof h);
    memcpy(count, &counted, sizeof counted);
}

// The four-lane function with AVX2, and with AVX-512VL, whose rotations are one instruction each.
__attribute__((target("avx2"))) static inline void varve_b2_blocks4_avx2(
    uint64_t *state, uint64_t *count, const uint8_t *const *input, const uint64_t *step, const uint64_t *last,
    size_t blocks
) {
    varve_b2_blocks4(state, count, input, step, last, blocks);
}

__attribute__((target("avx2,avx512f,avx512vl"))) static inline void varve_b2_blocks4_avx512(
    uint64_t *state, uint64_t *count, const uint8_t *const *input, const uint64_t *step, const uint64_t *last,
    size_t blocks
) {
    varve_b2_blocks4(state, count, input, step, last, blocks);
}

// The same on eight messages: `state` holds word i of lane k at [8 * i + k], and every other array has eight elements.
__attribute__((target("avx2,avx512f,avx512vl"))) static inline void varve_b2_blocks8_avx512(
    uint64_t *state, uint64_t *count, const uint8_t *const *input, const uint64_t *step, const uint64_t *last,
    size_t blocks
) {
    typedef uint64_t vector __attribute__((vector_size(64)));
    vector h[8], v[16], m[16], counted, stepped, ended;
    memcpy(h, state, sizeof h);
    memcpy(&counted, count, sizeof counted);
    memcpy(&stepped, step, sizeof stepped);
    memcpy(&ended, last, sizeof ended);
    const uint8_t *in[8];
    for (int k = 0; k < 8; k++) in[k] = input[k];
    for (; blocks > 0; blocks--) {
        for (int i = 0; i < 16; i += 8) {  // eight rows of eight words, transposed: words, pairs, then halves
            vector row[8], word[8], pair[8];
            for (int k = 0; k < 8; k++) memcpy(&row[k], in[k] + 8 * i, 64);
            for (int k = 0; k < 8; k += 2) {
                word[k] = __builtin_shufflevector(row[k], row[k + 1], 0, 8, 2, 10, 4, 12, 6, 14);
                word[k + 1] = __builtin_shufflevector(row[k], row[k + 1], 1, 9, 3, 11, 5, 13, 7, 15);
            }
            for (int k = 0; k < 8; k += 4) {
                for (int j = k; j < k + 2; j++) {
                    pair[j] = __builtin_shufflevector(word[j], word[j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
                    pair[j + 2] = __builtin_shufflevector(word[j], word[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
                }
            }
            for (int j = 0; j < 4; j++) {
                m[i + j] = __builtin_shufflevector(pair[j], pair[j + 4], 0, 1, 2, 3, 8, 9, 10, 11);
                m[i + j + 4] = __builtin_shufflevector(pair[j], pair[j + 4], 4, 5, 6, 7, 12, 13, 14, 15);
            }
        }
        for (int k = 0; k < 8; k++) in[k] += 128;
        VARVE_B2_F();
    }
    memcpy(state, h, sizeof h);
    memcpy(count, &counted, sizeof counted);
}

// 2 if this processor has AVX-512VL, 1 if it has AVX2, 0 if it has neither.
static inline int varve_b2_level(void) {
    if (__builtin_cpu_supports("avx512vl")) return 2;
    return __builtin_cpu_supports("avx2") ? 1 : 0;
}

#else

static inline int varve_b2_level(void) { return 0; }

#endif

// The most messages that a level compresses at once.
static inline int varve_b2_widest(int level) { return level == 2 ? 8 : 4; }

// Runs the function of `level`, which is 1 or 2 as varve_b2_level told, on four messages, or eight at level 2. Does
// nothing at level 0.
static inline void varve_b2_compress(
    int level, int width, uint64_t *state, uint64_t *count, const uint8_t *const *input, const uint64_t *step,
    const uint64_t *last, size_t blocks
) {
#if defined(__x86_64__)
    if (level == 1) return varve_b2_blocks4_avx2(state, count, input, step, last, blocks);
    if (level != 2) return;
    if (width == 8) return varve_b2_blocks8_avx512(state, count, input, step, last, blocks);
    varve_b2_blocks4_avx512(state, count, input, step, last, blocks);
#endif
}
