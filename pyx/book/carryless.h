/* Texts joined by their CRC-32: products of polynomials over GF(2), by the processor's own instruction where it is
   there. Reflected form, as zlib's: the lowest bit is the highest power. */
#ifndef ENGINE_CARRYLESS_H
#define ENGINE_CARRYLESS_H

#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* A text: the CRC register behind it, begun at 0 and not inverted, and how many bytes it has. */
typedef struct { uint32_t crc, length; } engine_text;

/* a * b. Bits four apart are multiplied as one integer: at most eight meet in a column, so no carry reaches the next
   bit that counts. */
static inline uint64_t engine_product(uint32_t a, uint32_t b) {
    const uint64_t every4 = 0x1111111111111111ULL;
    uint64_t a0 = a & every4, a1 = a & (every4 << 1), a2 = a & (every4 << 2), a3 = a & (every4 << 3);
    uint64_t b0 = b & every4, b1 = b & (every4 << 1), b2 = b & (every4 << 2), b3 = b & (every4 << 3);
    return (((a0 * b0) ^ (a1 * b3) ^ (a2 * b2) ^ (a3 * b1)) & every4)
         | (((a0 * b1) ^ (a1 * b0) ^ (a2 * b3) ^ (a3 * b2)) & (every4 << 1))
         | (((a0 * b2) ^ (a1 * b1) ^ (a2 * b0) ^ (a3 * b3)) & (every4 << 2))
         | (((a0 * b3) ^ (a1 * b2) ^ (a2 * b1) ^ (a3 * b0)) & (every4 << 3));
}

/* The sum of text[i].crc * x^(8 * bytes behind it), 64 bits yet to be divided; *length becomes that of all. Behind a
   text come those before it in memory, which lie stride apart. moves[n] = x^(8n - 1): a product of two reflected words
   stands one place too high. */
static inline uint64_t engine_join_portable(const char *texts, uint32_t count, uint32_t stride, const uint32_t *moves,
                                            uint32_t *length) {
    uint64_t sum = 0;
    uint32_t behind = 0;
    for (uint32_t i = 0; i < count; i++) {
        const engine_text *text = (const engine_text *)(texts + (uint64_t)i * stride);
        sum ^= engine_product(text->crc, moves[behind]);
        behind += text->length;
    }
    *length = behind;
    return sum;
}

#if defined(__x86_64__)
__attribute__((target("pclmul")))
static uint64_t engine_join_pclmul(const char *texts, uint32_t count, uint32_t stride, const uint32_t *moves,
                                   uint32_t *length) {
    __m128i sum = _mm_setzero_si128();
    uint32_t behind = 0;
    for (uint32_t i = 0; i < count; i++) {
        const engine_text *text = (const engine_text *)(texts + (uint64_t)i * stride);
        sum = _mm_xor_si128(sum, _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)text->crc),
                                                      _mm_cvtsi32_si128((int)moves[behind]), 0));
        behind += text->length;
    }
    *length = behind;
    return (uint64_t)_mm_cvtsi128_si64(sum);
}

static inline int engine_has_pclmul(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("pclmul") != 0;
}
#else
#define engine_join_pclmul engine_join_portable
static inline int engine_has_pclmul(void) { return 0; }
#endif

#endif
