// The windows of a convolution's output pixels, one after the other, for ever: what tap_walker walks.
//
// A pixel_generator gives the first tap and its place in the ring counted in pixels, a second one the same counted in
// words of full groups of channels: that is cheaper than a product with Full. Buffers cut the way back from the walker.
`default_nettype none

module window_stream #(
  parameter int unsigned Transposed   = 1,
  parameter int unsigned InHeight     = 2,
  parameter int unsigned InWidth      = 2,
  parameter int unsigned OutHeight    = 4,
  parameter int unsigned OutWidth     = 4,
  parameter int unsigned KernelHeight = 4,
  parameter int unsigned KernelWidth  = 4,
  parameter int unsigned StrideHeight = 2,
  parameter int unsigned StrideWidth  = 2,
  parameter int unsigned PadHeight    = 1,
  parameter int unsigned PadWidth     = 1,
  parameter int unsigned Full         = 1,  // groups of input channels of which all lanes are used
  parameter int unsigned RingPixels   = 8,
  localparam int unsigned FramePixels = InHeight * InWidth,
  localparam int unsigned Taps        = KernelHeight * KernelWidth,
  localparam int unsigned RowsBits    = $clog2(KernelHeight + 1),
  localparam int unsigned ColsBits    = $clog2(KernelWidth + 1),
  localparam int unsigned TapBits     = $clog2(Taps + 1),
  localparam int unsigned TapWordBits = $clog2(Taps * Full + 1),
  localparam int unsigned WordBits    = $clog2(RingPixels * Full + 1),
  localparam int unsigned SlotBits    = $clog2(RingPixels + 1),
  localparam int unsigned PixelBits   = $clog2(FramePixels + 1),
  localparam int unsigned CountBits   = $clog2(2 * FramePixels + RingPixels + 1) + 1
) (
  input  logic                        clk,
  input  logic                        rst_n,

  output logic                        pixel_valid,
  input  logic                        pixel_ready,
  output logic [RowsBits-1:0]         pixel_rows,
  output logic [ColsBits-1:0]         pixel_cols,
  output logic [TapBits-1:0]          pixel_tap,
  output logic [TapWordBits-1:0]      pixel_tap_word,
  output logic [SlotBits-1:0]         pixel_slot,
  output logic [WordBits-1:0]         pixel_word,
  output logic [PixelBits-1:0]        pixel_need,   // input pixels of the frame that must have arrived
  output logic signed [CountBits-1:0] pixel_step,   // how many more the following output pixel needs, less 1
  output logic [PixelBits-1:0]        pixel_frees,
  output logic                        pixel_last
);
  typedef struct packed {
    logic [RowsBits-1:0]  rows;
    logic [ColsBits-1:0]  cols;
    logic [TapBits-1:0]   tap;
    logic [SlotBits-1:0]  slot;
    logic [PixelBits-1:0] frees;
    logic [PixelBits-1:0] need;
  } window_t;

  window_t coming;
  logic    next_valid, next_ready, next_last;
  pixel_generator #(
    .Transposed(Transposed), .InHeight(InHeight), .InWidth(InWidth), .OutHeight(OutHeight), .OutWidth(OutWidth),
    .KernelHeight(KernelHeight), .KernelWidth(KernelWidth), .StrideHeight(StrideHeight), .StrideWidth(StrideWidth),
    .PadHeight(PadHeight), .PadWidth(PadWidth), .InGroups(1), .RingWords(RingPixels)
  ) u_pixels (
    .clk, .rst_n, .valid(next_valid), .ready(next_ready), .rows(coming.rows), .cols(coming.cols), .tap_base(coming.tap),
    .ring_base(coming.slot), .need(coming.need), .frees(coming.frees), .last(next_last)
  );

  // A pixel waits for the one after it, which tells how many more input pixels that one needs, less 1.
  window_t held_q, pixel;
  logic    held_valid_q, held_last_q, held_ready;
  logic signed [CountBits-1:0] held_step, held_less_q;
  assign next_ready = !held_valid_q || held_ready;
  assign held_step  = signed'(CountBits'(coming.need)) + held_less_q;
  always_ff @(posedge clk) begin
    if (!rst_n) held_valid_q <= 1'b0;
    else if (next_valid && next_ready) held_valid_q <= 1'b1;
  end
  always_ff @(posedge clk) begin
    if (next_ready) begin
      held_q      <= coming;
      held_less_q <= (next_last ? CountBits'(FramePixels - 1) : CountBits'(-1)) - signed'(CountBits'(coming.need));
      held_last_q <= next_last;
    end
  end
  skid_buffer #(.Bits(RowsBits + ColsBits + TapBits + SlotBits + 2 * PixelBits + CountBits)) u_next (
    .clk, .rst_n, .s_axis_tdata({held_q, held_step}), .s_axis_tvalid(held_valid_q), .s_axis_tready(held_ready),
    .s_axis_tlast(held_last_q), .m_axis_tdata({pixel, pixel_step}), .m_axis_tvalid(pixel_valid),
    .m_axis_tready(pixel_ready), .m_axis_tlast(pixel_last)
  );
  assign pixel_rows  = pixel.rows;
  assign pixel_cols  = pixel.cols;
  assign pixel_tap   = pixel.tap;
  assign pixel_slot  = pixel.slot;
  assign pixel_frees = pixel.frees;
  assign pixel_need  = pixel.need;

  if (Full > 1) begin : gen_words
    localparam int unsigned FrameBits = $clog2(FramePixels * Full + 1);
    logic                   valid, last;
    logic [RowsBits-1:0]    rows;
    logic [ColsBits-1:0]    cols;
    logic [FrameBits-1:0]   need, frees;
    logic                   ready, buffered, buffered_last;
    logic [TapWordBits-1:0] next_tap_word;
    logic [WordBits-1:0]    next_word;
    pixel_generator #(
      .Transposed(Transposed), .InHeight(InHeight), .InWidth(InWidth), .OutHeight(OutHeight), .OutWidth(OutWidth),
      .KernelHeight(KernelHeight), .KernelWidth(KernelWidth), .StrideHeight(StrideHeight), .StrideWidth(StrideWidth),
      .PadHeight(PadHeight), .PadWidth(PadWidth), .InGroups(Full), .RingWords(RingPixels * Full)
    ) u_words (
      .clk, .rst_n, .valid, .ready, .rows, .cols, .tap_base(next_tap_word), .ring_base(next_word), .need, .frees, .last
    );
    skid_buffer #(.Bits(TapWordBits + WordBits)) u_next (
      .clk, .rst_n, .s_axis_tdata({next_tap_word, next_word}), .s_axis_tvalid(valid), .s_axis_tready(ready),
      .s_axis_tlast(last), .m_axis_tdata({pixel_tap_word, pixel_word}), .m_axis_tvalid(buffered),
      .m_axis_tready(pixel_ready), .m_axis_tlast(buffered_last)
    );
    logic unused;
    assign unused = ^{rows, cols, need, frees, buffered, buffered_last};
  end else begin : gen_pixels
    assign pixel_tap_word = pixel_tap;
    assign pixel_word     = pixel_slot;
  end

endmodule

`default_nettype wire
