// Goes through, for each output pixel and each group of output channels, the existing taps and the groups of input
// channels.
//
// One step a cycle: the addresses of the products to make, and what they mean for the accumulator. First come the full
// groups of channels of each block of TapRows × TapCols taps, then, if channels remain, these of each block of
// RestRows × RestCols taps. tap_decide says in one cycle what the next step is, tap_address where it reads in the next.
`default_nettype none

module tap_walker #(
  parameter int unsigned Transposed   = 1,
  parameter int unsigned KernelHeight = 4,
  parameter int unsigned KernelWidth  = 4,
  parameter int unsigned StrideHeight = 2,
  parameter int unsigned StrideWidth  = 2,
  parameter int unsigned InWidth      = 2,
  parameter int unsigned FramePixels  = 4,
  parameter int unsigned Full         = 1,  // groups of input channels of which all lanes are used
  parameter int unsigned HasRest      = 0,  // channels remain beside these
  parameter int unsigned TapRows      = 1,
  parameter int unsigned TapCols      = 1,
  parameter int unsigned RestRows     = 1,
  parameter int unsigned RestCols     = 1,
  parameter int unsigned OutGroups    = 1,
  parameter int unsigned RingPixels   = 8,
  localparam int unsigned RowsBits    = $clog2(KernelHeight + 1),
  localparam int unsigned ColsBits    = $clog2(KernelWidth + 1),
  localparam int unsigned Taps        = KernelHeight * KernelWidth,
  localparam int unsigned GroupWords  = Taps * (Full + ((HasRest != 0) ? 1 : 0)),
  localparam int unsigned TapBits     = $clog2(Taps + 1),
  localparam int unsigned TapWordBits = $clog2(Taps * Full + 1),
  localparam int unsigned WeightBits  = $clog2(GroupWords * OutGroups + 1),
  localparam int unsigned WordBits    = $clog2(RingPixels * Full + 1),
  localparam int unsigned SlotBits    = $clog2(RingPixels + 1),
  localparam int unsigned PixelBits   = $clog2(FramePixels + 1),
  localparam int unsigned CountBits   = $clog2(2 * FramePixels + RingPixels + 1) + 1
) (
  input  logic                         clk,
  input  logic                         rst_n,

  // Output pixels, from window_stream: the first tap and its input, counted in pixels and in words of full groups.
  input  logic                         pixel_valid,
  output logic                         pixel_ready,
  input  logic [RowsBits-1:0]          pixel_rows,
  input  logic [ColsBits-1:0]          pixel_cols,
  input  logic [TapBits-1:0]           pixel_tap,
  input  logic [TapWordBits-1:0]       pixel_tap_word,
  input  logic [SlotBits-1:0]          pixel_slot,
  input  logic [WordBits-1:0]          pixel_word,
  input  logic [PixelBits-1:0]         pixel_need,     // input pixels of the frame that must have arrived
  input  logic signed [CountBits-1:0]  pixel_step,     // how many more the following output pixel needs, less 1
  input  logic [PixelBits-1:0]         pixel_frees,
  input  logic                         pixel_last,

  // The ring: an input pixel arrives, and the pixels of room that a finished one makes, less 1.
  input  logic                         arrives,
  output logic signed [CountBits-1:0]  release_less1,

  // Steps. The consumer takes one whenever `step_ready`.
  output logic                         step_valid,
  input  logic                         step_ready,
  output logic [WordBits-1:0]          word_addr,
  output logic [SlotBits-1:0]          slot_addr,
  output logic [WeightBits-1:0]        weight_addr,
  output logic                         step_rest,      // the channels that remain
  output logic [TapRows*TapCols-1:0]   full_exists,    // which taps of a block exist; none in a step of the other kind
  output logic [RestRows*RestCols-1:0] rest_exists,
  output logic                         step_first,     // of an output group of a pixel: accumulators start from 0
  output logic                         step_last,      // of an output group of a pixel: accumulators are complete
  output logic                         step_end        // with step_last: last group of the frame
);
  logic load, busy, rest, first, last, group_last, final_step;
  logic to_pixel, to_rest, to_group, to_down, to_beside, to_channel;
  logic [TapRows*TapCols-1:0]   full_exists_d;
  logic [RestRows*RestCols-1:0] rest_exists_d;
  tap_decide #(
    .KernelHeight(KernelHeight), .KernelWidth(KernelWidth), .FramePixels(FramePixels), .Full(Full), .HasRest(HasRest),
    .TapRows(TapRows), .TapCols(TapCols), .RestRows(RestRows), .RestCols(RestCols), .OutGroups(OutGroups),
    .RingPixels(RingPixels)
  ) u_decide (
    .clk, .rst_n, .pixel_valid, .pixel_rows, .pixel_cols, .pixel_need, .pixel_step, .arrives, .step_ready, .load, .busy,
    .rest, .first, .last, .group_last, .final_step, .full_exists(full_exists_d), .rest_exists(rest_exists_d),
    .to_pixel, .to_rest, .to_group, .to_down, .to_beside, .to_channel
  );
  assign pixel_ready = load;

  tap_address #(
    .Transposed(Transposed), .KernelHeight(KernelHeight), .KernelWidth(KernelWidth), .StrideHeight(StrideHeight),
    .StrideWidth(StrideWidth), .InWidth(InWidth), .Full(Full), .HasRest(HasRest), .TapRows(TapRows), .TapCols(TapCols),
    .RestRows(RestRows), .RestCols(RestCols), .OutGroups(OutGroups), .RingPixels(RingPixels)
  ) u_address (
    .clk, .load, .pixel_tap, .pixel_tap_word, .pixel_slot, .pixel_word, .step(busy && step_ready), .rest, .to_pixel,
    .to_rest, .to_group, .to_down, .to_beside, .to_channel, .word_addr, .slot_addr, .weight_addr
  );

  // What a step means, beside its addresses.
  logic                 last_pixel_q, final_step_q;
  logic [PixelBits-1:0] frees_q, freed_q;
  always_ff @(posedge clk) begin
    if (!rst_n) step_valid <= 1'b0;
    else if (step_ready) step_valid <= busy;
  end
  always_ff @(posedge clk) begin
    if (load) begin
      frees_q      <= pixel_frees;
      last_pixel_q <= pixel_last;
    end
    if (step_ready) begin
      step_rest    <= rest;
      step_first   <= first;
      step_last    <= last;
      step_end     <= group_last && last_pixel_q;
      full_exists  <= full_exists_d;
      rest_exists  <= rest_exists_d;
      final_step_q <= final_step;
      freed_q      <= frees_q;
    end
  end

  // Room is made when the last step is taken: the ring is read in that cycle.
  always_ff @(posedge clk) begin
    if (!rst_n) release_less1 <= '1;
    else if (step_valid && step_ready && final_step_q)
      release_less1 <= signed'(CountBits'(freed_q)) - CountBits'(1);
    else release_less1 <= '1;
  end

endmodule

`default_nettype wire
