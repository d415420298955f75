// What the kernels tell a synthesis tool: every vendor directive in one place.
//
// Kernels write these macros, never a `#pragma HLS` of their own. Here they are those of Vitis HLS. Another tool's are
// in a header that is named by -DGAN2HLS_PRAGMAS='"others.h"' and defines all macros of this one; what it has no word
// for, it defines as nothing. In our C simulation (GAN2HLS_CSIM) they are nothing.
//
// A macro stands in a line of its own, where the tool wants the directive: those of a loop as its body's first lines,
// those of an array after its declaration, those of an argument at the beginning of the function.
#ifndef GAN2HLS_PRAGMAS_H
#define GAN2HLS_PRAGMAS_H

#ifdef GAN2HLS_PRAGMAS
#include GAN2HLS_PRAGMAS
#else

#ifdef GAN2HLS_CSIM
#define GAN2HLS_DIRECTIVE(...)
#else
#define GAN2HLS_DIRECTIVE(...) _Pragma(#__VA_ARGS__)
#endif

// -- loops and functions --

/// The name by which reports call the loop that follows.
#define GAN2HLS_LOOP(name) [[gnu::unused]] name:

/// The loop starts an iteration in each cycle in which its reads and writes can be done. It is the whole process: the
/// first iteration of a frame follows the last one of the frame before, so that what is set before the loop may be set
/// only once; state must end a frame as it began it.
///
/// In traces of C simulation it says that an iteration begins.
#ifdef GAN2HLS_TRACE
#define GAN2HLS_PIPELINE csim::scheduler::get().iterate();
#else
#define GAN2HLS_PIPELINE GAN2HLS_DIRECTIVE(HLS PIPELINE II=1 rewind)
#endif

/// All iterations side by side.
#define GAN2HLS_UNROLL GAN2HLS_DIRECTIVE(HLS UNROLL)

/// The function is a part of each caller, no module of its own.
#define GAN2HLS_INLINE GAN2HLS_DIRECTIVE(HLS INLINE)

/// A copy of the function for each value of this argument: a constant memory lies in the one process that reads it.
#define GAN2HLS_SPECIALIZE(argument) GAN2HLS_DIRECTIVE(HLS FUNCTION_INSTANTIATE variable=argument)

// -- arrays --

/// Every element is a register, or a constant, of its own.
#define GAN2HLS_REGISTERS(array) GAN2HLS_DIRECTIVE(HLS ARRAY_PARTITION variable=array type=complete dim=0)

/// Along dimension `dimension` (1 the first) every index is a memory of its own.
#define GAN2HLS_PARTITION(array, dimension) \
    GAN2HLS_DIRECTIVE(HLS ARRAY_PARTITION variable=array type=complete dim=dimension)

/// Along dimension `dimension` all elements are one word of a memory.
#define GAN2HLS_WORDS(array, dimension) \
    GAN2HLS_DIRECTIVE(HLS ARRAY_RESHAPE variable=array type=complete dim=dimension)

/// An element that is a struct is one word of a memory, without padding between its members.
#define GAN2HLS_PACKED(array) GAN2HLS_DIRECTIVE(HLS AGGREGATE variable=array compact=bit)

/// A memory that is read only: with one port, with two, with as many as there are reads.
#define GAN2HLS_ROM(array) GAN2HLS_DIRECTIVE(HLS BIND_STORAGE variable=array type=rom_1p)
#define GAN2HLS_ROM_2P(array) GAN2HLS_DIRECTIVE(HLS BIND_STORAGE variable=array type=rom_2p)
#define GAN2HLS_ROM_NP(array) GAN2HLS_DIRECTIVE(HLS BIND_STORAGE variable=array type=rom_np)

/// A memory with a port to write and one to read.
#define GAN2HLS_RAM_S2P(array) GAN2HLS_DIRECTIVE(HLS BIND_STORAGE variable=array type=ram_s2p)

/// No element is read in the iteration that writes it, and none that an iteration still in flight writes.
#define GAN2HLS_INDEPENDENT_INTRA(array) GAN2HLS_DIRECTIVE(HLS DEPENDENCE variable=array type=intra dependent=false)
#define GAN2HLS_INDEPENDENT_INTER(array) GAN2HLS_DIRECTIVE(HLS DEPENDENCE variable=array type=inter dependent=false)

// -- the top function --

/// The function's calls are processes that run at the same time, joined by streams.
#define GAN2HLS_DATAFLOW GAN2HLS_DIRECTIVE(HLS DATAFLOW)

/// The stream is a FIFO of `elements` elements.
#define GAN2HLS_STREAM_DEPTH(stream, elements) GAN2HLS_DIRECTIVE(HLS STREAM variable=stream depth=elements)

/// An argument that is an AXI4-Stream, with a register on both sides of its handshake.
#define GAN2HLS_AXI_STREAM(argument) \
    GAN2HLS_DIRECTIVE(HLS INTERFACE mode=axis port=argument register_mode=both register)

/// No start and done signals: data alone drive the function.
#define GAN2HLS_NO_CONTROL GAN2HLS_DIRECTIVE(HLS INTERFACE mode=ap_ctrl_none port=return)

#endif  // GAN2HLS_PRAGMAS

/// Before the declaration of what a loop carries from frame to frame. A test defines it as static, so that C simulation
/// sets it up only once, as a rewound loop does.
#ifndef GAN2HLS_STATE
#define GAN2HLS_STATE
#endif

#endif
