// The operator on the CPU. Along a row of pixels the places that a channel is read at lie on a straight line, so the pixels that
// touch the map are an interval and no pixel needs a test: a frame of zeros around the map serves its border.

#include <stdlib.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

// Every place is computed by this one expression, so that what is tested at the ends of an interval holds inside it.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define PLACE(start, step, i) __builtin_fmaf((float)(i), step, start)
#else
#define PLACE(start, step, i) ((start) + (float)(i) * (step))
#endif

typedef struct {
    int height, width;   // of the map
    float sx, sy;        // pixels per normalised unit
    float ox, oy;        // where normalised 0 lies in the framed map, in its pixels
    float step;          // normalised distance of neighbouring columns
} Shape;

typedef struct {
    float u, v, du, dv;  // place of the row's first pixel, in pixels of the framed map, and the step to the next
    int from, to;        // pixels that touch the map
} Line;

static Shape shape_of(int height, int width, int align) {
    const float sx = align ? 0.5f * (width - 1) : 0.5f * width, sy = align ? 0.5f * (height - 1) : 0.5f * height;
    const Shape shape = {
        height, width, sx, sy, (align ? sx : sx - 0.5f) + 1, (align ? sy : sy - 0.5f) + 1,
        width > 1 ? 2.0f / (width - 1) : 0.0f,
    };
    return shape;
}

static inline float normalised(int i, int count) { return count > 1 ? 2.0f * i / (count - 1) - 1.0f : -1.0f; }

// Shrinks [*from, *to) to the pixels whose place lies in [0, size).
static inline void clip_span(float start, float step, float size, int *from, int *to) {
    if (step > 1e-12f || step < -1e-12f) {
        const float a = -start / step, b = (size - start) / step;
        const float near = (a < b ? a : b) - 1.0f, far = (a < b ? b : a) + 2.0f;
        if (!(near < (float)*to) || !(far > (float)*from)) {
            *to = *from;
            return;
        }
        if (near > (float)*from) *from = (int)near;
        if (far < (float)*to) *to = (int)far;
    }
    // The quotients are rounded; the places themselves decide.
    while (*from < *to && !(PLACE(start, step, *from) >= 0 && PLACE(start, step, *from) < size)) ++*from;
    while (*from < *to && !(PLACE(start, step, *to - 1) >= 0 && PLACE(start, step, *to - 1) < size)) --*to;
}

static Line line_of_row(Shape shape, const float *matrix, float y) {
    const float across = -matrix[0] - matrix[1] * y + matrix[2], down = -matrix[1] + matrix[0] * y + matrix[3];
    Line line = {
        across * shape.sx + shape.ox, down * shape.sy + shape.oy,
        matrix[0] * shape.step * shape.sx, matrix[1] * shape.step * shape.sy, 0, shape.width,
    };
    clip_span(line.u, line.du, (float)(shape.width + 1), &line.from, &line.to);
    clip_span(line.v, line.dv, (float)(shape.height + 1), &line.from, &line.to);
    return line;
}

#ifdef __AVX2__
// Two neighbours in a row of the map for each of eight pixels.
static inline void neighbours(const float *map, const int *place, __m256 *left, __m256 *right) {
    __m128 pairs[4];
    for (int k = 0; k < 4; ++k) {
        const __m128 first = _mm_castpd_ps(_mm_load_sd((const double *)(map + place[2 * k])));
        pairs[k] = _mm_loadh_pi(first, (const __m64 *)(map + place[2 * k + 1]));
    }
    const __m256 even = _mm256_insertf128_ps(_mm256_castps128_ps256(pairs[0]), pairs[2], 1);
    const __m256 odd = _mm256_insertf128_ps(_mm256_castps128_ps256(pairs[1]), pairs[3], 1);
    *left = _mm256_shuffle_ps(even, odd, 0x88);
    *right = _mm256_shuffle_ps(even, odd, 0xDD);
}
#endif

static void read_line(const float *restrict framed, int pitch, Line line, float *restrict out) {
    int i = line.from;
#ifdef __AVX2__
    const __m256 ramp = _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256 u0 = _mm256_set1_ps(line.u), du = _mm256_set1_ps(line.du);
    const __m256 v0 = _mm256_set1_ps(line.v), dv = _mm256_set1_ps(line.dv);
    for (; i + 8 <= line.to; i += 8) {
        const __m256 pixel = _mm256_add_ps(ramp, _mm256_set1_ps((float)i));
        const __m256 u = _mm256_fmadd_ps(pixel, du, u0), v = _mm256_fmadd_ps(pixel, dv, v0);
        const __m256i c = _mm256_cvttps_epi32(u), r = _mm256_cvttps_epi32(v);
        const __m256 p = _mm256_sub_ps(u, _mm256_cvtepi32_ps(c)), q = _mm256_sub_ps(v, _mm256_cvtepi32_ps(r));
        int place[8];
        _mm256_storeu_si256((__m256i *)place, _mm256_add_epi32(_mm256_mullo_epi32(r, _mm256_set1_epi32(pitch)), c));
        __m256 a, b, d, e;
        neighbours(framed, place, &a, &b);
        neighbours(framed + pitch, place, &d, &e);
        const __m256 upper = _mm256_fmadd_ps(p, _mm256_sub_ps(b, a), a);
        const __m256 lower = _mm256_fmadd_ps(p, _mm256_sub_ps(e, d), d);
        _mm256_storeu_ps(out + i, _mm256_fmadd_ps(q, _mm256_sub_ps(lower, upper), upper));
    }
#endif
    for (; i < line.to; ++i) {
        const float u = PLACE(line.u, line.du, i), v = PLACE(line.v, line.dv, i);
        const int c = (int)u, r = (int)v;
        const float p = u - c, q = v - r;
        const float *tap = framed + r * pitch + c;
        const float upper = tap[0] + p * (tap[1] - tap[0]);
        const float lower = tap[pitch] + p * (tap[pitch + 1] - tap[pitch]);
        out[i] = upper + q * (lower - upper);
    }
}

// The inside of `framed`, whose frame is zero, becomes the map.
static void put_in_frame(const float *map, Shape shape, float *framed) {
    for (int row = 0; row < shape.height; ++row)
        memcpy(framed + (row + 1) * (shape.width + 2) + 1, map + row * shape.width, shape.width * sizeof(float));
}

static size_t framed_size(Shape shape) { return (size_t)(shape.height + 2) * (shape.width + 2); }

// Returns 0, or 1 for lack of memory.
int adaat_forward(
    const float *feature, const float *matrix, float *output, long maps, int height, int width, int align
) {
    const Shape shape = shape_of(height, width, align);
    float *framed = calloc(framed_size(shape), sizeof(float));
    if (framed == NULL) return 1;
    for (long n = 0; n < maps; ++n) {
        put_in_frame(feature + n * height * width, shape, framed);
        for (int row = 0; row < height; ++row) {
            float *out = output + n * height * width + (long)row * width;
            const Line line = line_of_row(shape, matrix + 4 * n, normalised(row, height));
            memset(out, 0, line.from * sizeof(float));
            read_line(framed, width + 2, line, out);
            memset(out + line.to, 0, (width - line.to) * sizeof(float));
        }
    }
    free(framed);
    return 0;
}

// Sums over a row of the gradient of the places, and of it times the pixels' normalised x.
typedef struct {
    float u, v, u_by_x, v_by_x;
} RowSums;

static RowSums scatter_line(
    const float *restrict framed, float *restrict to_framed, int pitch, Line line, float step, const float *arriving
) {
    RowSums sums = {0, 0, 0, 0};
    for (int i = line.from; i < line.to; ++i) {
        const float u = PLACE(line.u, line.du, i), v = PLACE(line.v, line.dv, i);
        const int c = (int)u, r = (int)v;
        const float p = u - c, q = v - r, g = arriving[i], x = i * step - 1.0f;
        const float *tap = framed + r * pitch + c;
        float *to = to_framed + r * pitch + c;
        to[0] += g * (1 - p) * (1 - q);
        to[1] += g * p * (1 - q);
        to[pitch] += g * (1 - p) * q;
        to[pitch + 1] += g * p * q;
        const float along_u = g * ((tap[1] - tap[0]) * (1 - q) + (tap[pitch + 1] - tap[pitch]) * q);
        const float along_v = g * ((tap[pitch] - tap[0]) * (1 - p) + (tap[pitch + 1] - tap[1]) * p);
        sums.u += along_u;
        sums.v += along_v;
        sums.u_by_x += along_u * x;
        sums.v_by_x += along_v * x;
    }
    return sums;
}

// Returns 0, or 1 for lack of memory.
int adaat_backward(
    const float *feature, const float *matrix, const float *gradient, float *to_feature, float *to_matrix, long maps,
    int height, int width, int align
) {
    const Shape shape = shape_of(height, width, align);
    const int pitch = width + 2;
    float *framed = calloc(framed_size(shape), sizeof(float)), *to_framed = malloc(framed_size(shape) * sizeof(float));
    const int missing = framed == NULL || to_framed == NULL;
    for (long n = 0; n < maps && !missing; ++n) {
        double sums[4] = {0, 0, 0, 0};
        put_in_frame(feature + n * height * width, shape, framed);
        memset(to_framed, 0, framed_size(shape) * sizeof(float));
        for (int row = 0; row < height; ++row) {
            const float y = normalised(row, height);
            const Line line = line_of_row(shape, matrix + 4 * n, y);
            const float *arriving = gradient + n * height * width + (long)row * width;
            const RowSums found = scatter_line(framed, to_framed, pitch, line, shape.step, arriving);
            sums[0] += found.u_by_x * shape.sx + found.v * shape.sy * y;
            sums[1] += found.v_by_x * shape.sy - found.u * shape.sx * y;
            sums[2] += found.u * shape.sx;
            sums[3] += found.v * shape.sy;
        }
        for (int row = 0; row < height; ++row)
            memcpy(to_feature + n * height * width + (long)row * width, to_framed + (row + 1) * pitch + 1, width * sizeof(float));
        for (int k = 0; k < 4; ++k) to_matrix[4 * n + k] = (float)sums[k];
    }
    free(framed);
    free(to_framed);
    return missing;
}
