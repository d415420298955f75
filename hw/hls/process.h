// The processes of a dataflow region, and the streams between them.
//
// For synthesis and for the vendor's C simulation GAN2HLS_PROCESS(name, call) is the plain call and GAN2HLS_RUN()
// nothing. With -DGAN2HLS_CSIM (and sim/ first on the include path) the calls become coroutines that run together at
// GAN2HLS_RUN(), so that the streams between them can have the depth that the hardware has.
//
// GAN2HLS_STREAM(word, name, depth) is a stream of `depth` words. Compilers other than C simulation's are told the
// depth by a directive, because not each of them takes it as an argument of the type.
#ifndef GAN2HLS_PROCESS_H
#define GAN2HLS_PROCESS_H

#include <hls_stream.h>

#include "pragmas.h"

#ifdef GAN2HLS_CSIM
#define GAN2HLS_PROCESS(name, ...) csim::scheduler::get().add(#name, [&] { __VA_ARGS__; })
#define GAN2HLS_RUN() csim::scheduler::get().run()
#define GAN2HLS_STREAM(word, name, depth) hls::stream<word> name(#name, depth);
#else
#define GAN2HLS_PROCESS(name, ...) __VA_ARGS__
#define GAN2HLS_RUN()
#define GAN2HLS_STREAM(word, name, depth) \
    hls::stream<word> name(#name);        \
    GAN2HLS_STREAM_DEPTH(name, depth)
#endif

#endif
