// Addresses of the steps that tap_decide has decided: of the input words in the ring, and of the weights.
//
// All are sums of one register and a constant, chosen by how a step follows on the one before it. An address in the
// ring that goes beyond its end comes from a second sum, beside the first one.
`default_nettype none

module tap_address #(
  parameter int unsigned Transposed   = 1,
  parameter int unsigned KernelHeight = 4,
  parameter int unsigned KernelWidth  = 4,
  parameter int unsigned StrideHeight = 2,
  parameter int unsigned StrideWidth  = 2,
  parameter int unsigned InWidth      = 2,
  parameter int unsigned Full         = 1,
  parameter int unsigned HasRest      = 0,
  parameter int unsigned TapRows      = 1,
  parameter int unsigned TapCols      = 1,
  parameter int unsigned RestRows     = 1,
  parameter int unsigned RestCols     = 1,
  parameter int unsigned OutGroups    = 1,
  parameter int unsigned RingPixels   = 8,
  localparam int unsigned Taps        = KernelHeight * KernelWidth,
  localparam int unsigned GroupWords  = Taps * (Full + ((HasRest != 0) ? 1 : 0)),
  localparam int unsigned TapBits     = $clog2(Taps + 1),
  localparam int unsigned TapWordBits = $clog2(Taps * Full + 1),
  localparam int unsigned WeightBits  = $clog2(GroupWords * OutGroups + 1),
  localparam int unsigned RingWords   = RingPixels * Full,
  localparam int unsigned WordBits    = $clog2(RingWords + 1),
  localparam int unsigned SlotBits    = $clog2(RingPixels + 1)
) (
  input  logic                   clk,

  // The first tap of a pixel and its input, taken with `load`.
  input  logic                   load,
  input  logic [TapBits-1:0]     pixel_tap,
  input  logic [TapWordBits-1:0] pixel_tap_word,
  input  logic [SlotBits-1:0]    pixel_slot,
  input  logic [WordBits-1:0]    pixel_word,

  // The step that is taken, and how it follows on the one before it.
  input  logic                   step,
  input  logic                   rest,
  input  logic                   to_pixel,
  input  logic                   to_rest,
  input  logic                   to_group,
  input  logic                   to_down,
  input  logic                   to_beside,
  input  logic                   to_channel,

  output logic [WordBits-1:0]    word_addr,
  output logic [SlotBits-1:0]    slot_addr,
  output logic [WeightBits-1:0]  weight_addr
);
  // From a row of taps to the next one, and from a tap to the one beside it: backwards through a transposed kernel.
  localparam int signed RowTaps = (Transposed != 0) ? -StrideHeight * KernelWidth : KernelWidth;
  localparam int signed ColTaps = (Transposed != 0) ? -StrideWidth : 1;

  // From a block to the one below and to the one beside it, in the ring.
  localparam logic [WordBits-1:0] WordDown = WordBits'((TapRows * InWidth * Full) % RingWords);
  localparam logic [WordBits-1:0] WordOn = WordBits'(((TapCols - 1) * Full + 1) % RingWords);  // from the last channels
  localparam logic [SlotBits-1:0] SlotDown = SlotBits'((RestRows * InWidth) % RingPixels);
  localparam logic [SlotBits-1:0] SlotOn = SlotBits'(RestCols % RingPixels);
  // The same in the weights.
  localparam int signed FullDown = TapRows * RowTaps * Full;
  localparam int signed FullOn = TapCols * ColTaps * Full - Full + 1;

  logic [WordBits-1:0]    word_base_q;
  logic [SlotBits-1:0]    slot_base_q;
  logic [TapBits-1:0]     tap_base_q;
  logic [TapWordBits-1:0] tap_word_base_q;
  always_ff @(posedge clk) begin
    if (load) begin
      word_base_q     <= pixel_word;
      slot_base_q     <= pixel_slot;
      tap_base_q      <= pixel_tap;
      tap_word_base_q <= pixel_tap_word;
    end
  end

  logic [WordBits-1:0]   word_row_q, word_from, word_on, word_d;
  logic [WordBits:0]     word_less;
  logic [SlotBits-1:0]   slot_row_q, slot_from, slot_on, slot_d;
  logic [SlotBits:0]     slot_less;
  logic [WeightBits-1:0] weight_row_q, weight_from, weight_on, full_group_q, rest_group_q;
  logic                  at_rest_q;
  always_comb begin
    word_from   = word_addr;
    word_on     = WordBits'(1 % RingWords);
    word_less   = (WordBits + 1)'(1 % RingWords - RingWords);
    slot_from   = slot_addr;
    slot_on     = SlotOn;
    slot_less   = {1'b0, SlotOn} - (SlotBits + 1)'(RingPixels);
    weight_from = weight_addr;
    weight_on   = WeightBits'(1);
    if (to_beside) begin
      word_on     = WordOn;
      word_less   = {1'b0, WordOn} - (WordBits + 1)'(RingWords);
      weight_on   = at_rest_q ? WeightBits'(RestCols * ColTaps) : WeightBits'(FullOn);
    end
    if (to_down) begin
      word_from   = word_row_q;
      word_on     = WordDown;
      word_less   = {1'b0, WordDown} - (WordBits + 1)'(RingWords);
      slot_from   = slot_row_q;
      slot_on     = SlotDown;
      slot_less   = {1'b0, SlotDown} - (SlotBits + 1)'(RingPixels);
      weight_from = weight_row_q;
      weight_on   = at_rest_q ? WeightBits'(RestRows * RowTaps) : WeightBits'(FullDown);
    end
    if (to_group) begin
      weight_from = full_group_q;
      weight_on   = WeightBits'(GroupWords);
    end
  end

  logic [WordBits-1:0]   word_sum;
  logic [SlotBits-1:0]   slot_sum;
  logic [WordBits:0]     word_wrapped;
  logic [SlotBits:0]     slot_wrapped;
  logic [WeightBits-1:0] weight_d;
  logic                  restart;
  assign word_sum     = word_from + word_on;
  assign word_wrapped = {1'b0, word_from} + word_less;
  assign slot_sum     = slot_from + slot_on;
  assign slot_wrapped = {1'b0, slot_from} + slot_less;
  assign restart      = to_pixel || to_rest || to_group;
  assign word_d   = restart ? word_base_q : word_wrapped[WordBits] ? word_sum : word_wrapped[WordBits-1:0];
  assign slot_d   = restart ? slot_base_q : slot_wrapped[SlotBits] ? slot_sum : slot_wrapped[SlotBits-1:0];
  assign weight_d = to_pixel ? WeightBits'(tap_word_base_q) : to_rest ? rest_group_q : weight_from + weight_on;

  always_ff @(posedge clk) begin
    if (step) begin
      word_addr   <= word_d;
      slot_addr   <= slot_d;
      weight_addr <= weight_d;
      at_rest_q   <= rest;
      if (!to_channel && !to_beside) begin
        word_row_q   <= word_d;
        slot_row_q   <= slot_d;
        weight_row_q <= weight_d;
      end
      if (to_pixel || to_group) full_group_q <= weight_d;
      if (to_pixel) rest_group_q <= WeightBits'(Taps * Full) + WeightBits'(tap_base_q);
      else if (to_group) rest_group_q <= rest_group_q + WeightBits'(GroupWords);
    end
  end

endmodule

`default_nettype wire
