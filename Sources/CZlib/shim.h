#pragma once
#include <zlib.h>

// zlib's own names are macros over sizeof, which Swift cannot see.
static inline int sluice_inflate_init_gzip(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
static inline int sluice_deflate_init_gzip(z_stream *stream) {
    return deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}
