// Ring memory that keeps the input pixels of a convolution while its window needs them.
//
// Pixels are written one after the other, modulo RingPixels; a finished output pixel frees the oldest ones. Filling
// goes on while pixels are computed, also with those of the next frame. A pixel's full groups of Simd channels lie in
// one memory, the Rest channels that remain in another. Taps that are read in one cycle have a copy of the memory each:
// TapRows × TapCols of the first, RestRows × RestCols of the second. Read data come 2 enabled cycles after the address
// of the first tap.
`default_nettype none

module input_ring #(
  parameter int unsigned InHeight   = 2,
  parameter int unsigned InWidth    = 2,
  parameter int unsigned InChannels = 1,
  parameter int unsigned InBits     = 8,
  parameter int unsigned Simd       = 1,
  parameter int unsigned TapRows    = 1,
  parameter int unsigned TapCols    = 1,
  parameter int unsigned RestRows   = 1,
  parameter int unsigned RestCols   = 1,
  parameter int unsigned RingPixels = 8,
  localparam int unsigned Full        = (Simd < InChannels) ? InChannels / Simd : 1,
  localparam int unsigned Rest        = (Simd < InChannels) ? InChannels % Simd : 0,
  localparam int unsigned RestLanes   = (Rest > 0) ? Rest : 1,
  localparam int unsigned FramePixels = InHeight * InWidth,
  localparam int unsigned WordBits    = $clog2(RingPixels * Full + 1),
  localparam int unsigned SlotBits    = $clog2(RingPixels + 1),
  localparam int unsigned CountBits   = $clog2(2 * FramePixels + RingPixels + 1) + 1
) (
  input  logic                   clk,
  input  logic                   rst_n,

  input  logic [Simd*InBits-1:0] s_axis_tdata,
  input  logic                   s_axis_tvalid,
  output logic                   s_axis_tready,

  output logic                   arrives,  // a pixel, with the word that is written in this cycle
  input  logic signed [CountBits-1:0] release_less1,  // pixels of room more, less 1

  input  logic                   read_enable,
  input  logic [WordBits-1:0]    word_addr,  // pixel · Full + group of channels
  input  logic [SlotBits-1:0]    slot_addr,  // pixel
  output logic [TapRows*TapCols*Simd*InBits-1:0]        full_data,
  output logic [RestRows*RestCols*RestLanes*InBits-1:0] rest_data
);
  localparam int unsigned Groups = Full + ((Rest > 0) ? 1 : 0);
  localparam int unsigned GroupBits = (Groups > 1) ? $clog2(Groups) : 1;

  // Pixels that there is room for, less 1: its sign tells that the ring is full. May exceed the ring: pixels that
  // nobody reads are freed without waiting for them. A pixel that arrives takes 1 away by the carry into the sum.
  logic signed [CountBits-1:0] room_q, room_d;
  logic [GroupBits-1:0] group_q;
  logic write, group_last_q, unused_carry;

  assign s_axis_tready = !room_q[CountBits-1];
  assign write         = s_axis_tvalid && s_axis_tready;
  assign arrives       = write && group_last_q;
  assign {room_d, unused_carry} = {room_q, 1'b1} + {release_less1, !arrives};

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_q      <= '0;
      group_last_q <= Groups == 1;
      room_q       <= CountBits'(RingPixels - 1);
    end else begin
      if (write) begin
        group_q      <= group_last_q ? '0 : group_q + GroupBits'(1);
        group_last_q <= Groups == 1 || int'(group_q) == Groups - 2;
      end
      room_q <= room_d;
    end
  end

  // Words are written a cycle later, long before the walker, which counts arrivals in registers, can ask for them.
  logic full_write_q, rest_write_q;
  logic [Simd*InBits-1:0] word_q;
  always_ff @(posedge clk) begin
    if (!rst_n) {full_write_q, rest_write_q} <= '0;
    else {full_write_q, rest_write_q} <= {write && !(Rest > 0 && group_last_q), Rest > 0 && arrives};
  end
  always_ff @(posedge clk) word_q <= s_axis_tdata;

  ring_memory #(
    .Bits(Simd * InBits), .Words(RingPixels * Full), .Rows(TapRows), .Cols(TapCols), .RowWords(InWidth * Full),
    .ColWords(Full)
  ) u_full (
    .clk, .rst_n, .write(full_write_q), .write_data(word_q), .read_enable, .read_addr(word_addr),
    .read_data(full_data)
  );

  if (Rest > 0) begin : gen_rest  // lanes beyond the channels may hold anything: they are left out
    ring_memory #(
      .Bits(Rest * InBits), .Words(RingPixels), .Rows(RestRows), .Cols(RestCols), .RowWords(InWidth), .ColWords(1)
    ) u_rest (
      .clk, .rst_n, .write(rest_write_q), .write_data(word_q[Rest*InBits-1:0]), .read_enable,
      .read_addr(slot_addr), .read_data(rest_data)
    );
  end else begin : gen_no_rest
    assign rest_data = '0;
    logic unused;
    assign unused = ^{slot_addr, rest_write_q};
  end
endmodule

`default_nettype wire
