// One process of a dataflow region.
//
// For synthesis and for the vendor's C simulation GAN2HLS_PROCESS(name, call) is the plain call and GAN2HLS_RUN()
// nothing. With -DGAN2HLS_CSIM (and sim/ first on the include path) the calls become coroutines that run together at
// GAN2HLS_RUN(), so that the streams between them can have the depth that the hardware has.
#ifndef GAN2HLS_PROCESS_H
#define GAN2HLS_PROCESS_H

#include <hls_stream.h>

#ifdef GAN2HLS_CSIM
#define GAN2HLS_PROCESS(name, ...) csim::scheduler::get().add(#name, [&] { __VA_ARGS__; })
#define GAN2HLS_RUN() csim::scheduler::get().run()
#else
#define GAN2HLS_PROCESS(name, ...) __VA_ARGS__
#define GAN2HLS_RUN()
#endif

#endif
