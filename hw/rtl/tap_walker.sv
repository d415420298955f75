// Walks, for each output pixel and each group of output channels, the existing taps and the groups of input channels.
//
// One step a cycle: `ring_addr` and `weight_addr` of the product to make, and what it means for the accumulator. A pixel
// starts as soon as all words of its window have arrived (`need` <= `written`). All addresses are sums with constants.
`default_nettype none

module tap_walker #(
  parameter int Transposed   = 1,
  parameter int KernelHeight = 4,
  parameter int KernelWidth  = 4,
  parameter int StrideHeight = 2,
  parameter int StrideWidth  = 2,
  parameter int RowWords     = 2,
  parameter int FrameWords   = 4,
  parameter int InGroups     = 1,
  parameter int OutGroups    = 1,
  parameter int RingWords    = 8,
  localparam int RowsBits    = $clog2(KernelHeight + 1),
  localparam int ColsBits    = $clog2(KernelWidth + 1),
  localparam int GroupWords  = KernelHeight * KernelWidth * InGroups,
  localparam int TapBits     = $clog2(GroupWords + 1),
  localparam int WeightBits  = $clog2(GroupWords * OutGroups + 1),
  localparam int RingBits    = $clog2(RingWords + 1),
  localparam int WordBits    = $clog2(FrameWords + 1),
  localparam int CountBits   = $clog2(2 * FrameWords + RingWords + 1) + 1
) (
  input  logic                  clk,
  input  logic                  rst_n,

  // Pixels, from pixel_generator.
  input  logic                  pixel_valid,
  output logic                  pixel_ready,
  input  logic [RowsBits-1:0]   pixel_rows,
  input  logic [ColsBits-1:0]   pixel_cols,
  input  logic [TapBits-1:0]    pixel_tap_base,
  input  logic [RingBits-1:0]   pixel_ring_base,
  input  logic [WordBits-1:0]   pixel_need,
  input  logic [WordBits-1:0]   pixel_frees,
  input  logic                  pixel_last,

  // The ring: words of the waiting pixel's frame that have arrived, and room that a finished pixel makes.
  input  logic signed [CountBits-1:0] written,
  output logic                  frame_starts,  // the last pixel of a frame has started: `written` counts the next frame
  output logic                  release_valid,
  output logic [WordBits-1:0]   release_words,

  // Steps. The consumer takes one whenever `step_ready`.
  output logic                  step_valid,
  input  logic                  step_ready,
  output logic [RingBits-1:0]   ring_addr,
  output logic [WeightBits-1:0] weight_addr,
  output logic                  step_first,    // of an output group of a pixel: accumulators start from 0
  output logic                  step_last,     // of an output group of a pixel: accumulators are complete
  output logic                  step_empty,    // the pixel has no taps: the product counts as 0
  output logic                  step_end       // with step_last: last group of the frame
);
  localparam int ColJump = (Transposed != 0) ? 1 - InGroups - StrideWidth * InGroups : 1;
  localparam int RowJump = (Transposed != 0) ? -StrideHeight * KernelWidth * InGroups : KernelWidth * InGroups;
  localparam int ChannelBits = (InGroups > 1) ? $clog2(InGroups) : 1;
  localparam int GroupBits = (OutGroups > 1) ? $clog2(OutGroups) : 1;

  function automatic logic [RingBits-1:0] ring_add(input logic [RingBits-1:0] a, input logic [RingBits-1:0] b);
    logic [RingBits:0] sum, wrapped;
    sum      = {1'b0, a} + {1'b0, b};
    wrapped  = sum - (RingBits + 1)'(RingWords);
    ring_add = wrapped[RingBits] ? sum[RingBits-1:0] : wrapped[RingBits-1:0];
  endfunction

  // The pixel that is being walked.
  logic                  busy_q, empty_q, last_pixel_q;
  logic [RowsBits-1:0]   rows_q, row_q;
  logic [ColsBits-1:0]   cols_q, col_q;
  logic [ChannelBits-1:0] channel_q;
  logic [GroupBits-1:0]  group_q;
  logic [RingBits-1:0]   ring_base_q, ring_row_q, ring_q;
  logic [WeightBits-1:0] weight_group_q, weight_row_q, weight_q;
  logic [WordBits-1:0]   frees_q;
  logic                  first_q;

  logic channel_last, col_last, row_last, group_last, tap_last, done, load;
  assign channel_last = empty_q || int'(channel_q) == InGroups - 1;
  assign col_last     = col_q == cols_q;
  assign row_last     = row_q == rows_q;
  assign group_last   = int'(group_q) == OutGroups - 1;
  assign tap_last     = channel_last && col_last && row_last;
  assign done         = busy_q && step_ready && tap_last && group_last;

  assign load          = pixel_valid && signed'(CountBits'(pixel_need)) <= written && (!busy_q || done);
  assign pixel_ready   = load;
  assign frame_starts  = load && pixel_last;
  assign release_valid = done;
  assign release_words = frees_q;

  always_ff @(posedge clk) begin
    if (!rst_n) busy_q <= 1'b0;
    else if (load) busy_q <= 1'b1;
    else if (done) busy_q <= 1'b0;
  end

  // Taps count from 1, so that a pixel's own counts are their last values; without taps both are 1, once.
  always_ff @(posedge clk) begin
    if (load) begin
      empty_q      <= pixel_rows == '0;
      rows_q       <= (pixel_rows == '0) ? RowsBits'(1) : pixel_rows;
      cols_q       <= (pixel_rows == '0) ? ColsBits'(1) : pixel_cols;
      frees_q      <= pixel_frees;
      last_pixel_q <= pixel_last;
      ring_base_q  <= pixel_ring_base;
    end
  end

  always_ff @(posedge clk) begin
    if (load) begin
      channel_q      <= '0;
      col_q          <= ColsBits'(1);
      row_q          <= RowsBits'(1);
      group_q        <= '0;
      first_q        <= 1'b1;
      ring_q         <= pixel_ring_base;
      ring_row_q     <= pixel_ring_base;
      weight_q       <= WeightBits'(pixel_tap_base);
      weight_row_q   <= WeightBits'(pixel_tap_base);
      weight_group_q <= WeightBits'(pixel_tap_base);
    end else if (busy_q && step_ready) begin
      first_q   <= tap_last;
      channel_q <= channel_last ? '0 : channel_q + ChannelBits'(1);
      if (channel_last) col_q <= col_last ? ColsBits'(1) : col_q + ColsBits'(1);
      if (channel_last && col_last) row_q <= row_last ? RowsBits'(1) : row_q + RowsBits'(1);
      if (tap_last) begin
        group_q        <= group_last ? '0 : group_q + GroupBits'(1);
        ring_q         <= ring_base_q;
        ring_row_q     <= ring_base_q;
        weight_q       <= weight_group_q + WeightBits'(GroupWords);
        weight_row_q   <= weight_group_q + WeightBits'(GroupWords);
        weight_group_q <= weight_group_q + WeightBits'(GroupWords);
      end else if (channel_last && col_last) begin
        ring_q         <= ring_add(ring_row_q, RingBits'(RowWords % RingWords));
        ring_row_q     <= ring_add(ring_row_q, RingBits'(RowWords % RingWords));
        weight_q       <= weight_row_q + WeightBits'(RowJump);
        weight_row_q   <= weight_row_q + WeightBits'(RowJump);
      end else begin
        ring_q   <= (int'(ring_q) == RingWords - 1) ? '0 : ring_q + RingBits'(1);
        weight_q <= weight_q + (channel_last ? WeightBits'(ColJump) : WeightBits'(1));
      end
    end
  end

  assign step_valid  = busy_q;
  assign ring_addr   = ring_q;
  assign weight_addr = weight_q;
  assign step_first  = first_q;
  assign step_last   = tap_last;
  assign step_empty  = empty_q;
  assign step_end    = group_last && last_pixel_q;
endmodule

`default_nettype wire
