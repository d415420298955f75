// General change of lanes and of pixel borders, element by element.
//
//   out element n = in element n, in frames of Elements elements;
//   an input beat ends at each InChannels elements, an output beat at each OutChannels, full or not
//
// A buffer of elements, the oldest at the low end. An input beat is put behind them, the output takes the low
// elements, a fixed number of them but at the end of a pixel, and the rest moves down.
// `s_axis_tready` asks for room for a whole beat, from the fill level alone. The buffer is so large that a refused
// input beat still leaves min(InLanes, OutLanes) elements after the widest output beat; with equal channels the
// side with more beats then never waits. Latency: the input beats that hold the first output beat.
// Cycles a frame: the larger number of beats of both sides, exactly so for equal channels; where the channels
// differ and padded beats come in bursts, up to a third more.

`default_nettype none

module gearbox #(
  parameter int unsigned Elements    = 24,
  parameter int unsigned InChannels  = 6,
  parameter int unsigned OutChannels = 6,
  parameter int unsigned InLanes     = 3,
  parameter int unsigned OutLanes    = 2,
  parameter int unsigned Bits        = 8
) (
  input  logic                     clk,
  input  logic                     rst_n,

  input  logic [InLanes*Bits-1:0]  s_axis_tdata,
  input  logic                     s_axis_tvalid,
  output logic                     s_axis_tready,
  input  logic                     s_axis_tlast,

  output logic [OutLanes*Bits-1:0] m_axis_tdata,
  output logic                     m_axis_tvalid,
  input  logic                     m_axis_tready,
  output logic                     m_axis_tlast
);

  localparam int unsigned InPixels     = Elements / InChannels;
  localparam int unsigned OutPixels    = Elements / OutChannels;
  localparam int unsigned InBeats      = (InChannels + InLanes - 1) / InLanes;
  localparam int unsigned OutBeats     = (OutChannels + OutLanes - 1) / OutLanes;
  localparam int unsigned InEnd        = InChannels - (InBeats - 1) * InLanes;
  localparam int unsigned OutEnd       = OutChannels - (OutBeats - 1) * OutLanes;
  localparam int unsigned NarrowLanes  = InLanes < OutLanes ? InLanes : OutLanes;
  localparam int unsigned Capacity     = InLanes + OutLanes + NarrowLanes - 1;
  localparam int unsigned LevelBits    = $clog2(Capacity + 1);
  localparam int unsigned OutBits      = OutLanes * Bits;

  if (Bits < 1 || InLanes < 1 || OutLanes < 1) begin : gen_bad_lanes
    $error("gearbox: InLanes, OutLanes and Bits must be at least 1");
  end
  if (Elements < 1 || Elements % InChannels != 0 || Elements % OutChannels != 0) begin : gen_bad_elements
    $error("gearbox: Elements must be a multiple of InChannels and of OutChannels");
  end

  logic [Capacity*Bits-1:0] buffer_q, filled, buffer_d;
  logic [LevelBits-1:0]     level_q, put, take;
  logic                     in_step, out_step, in_pixel_last, out_pixel_last, unused_in_frame_last;

  assign s_axis_tready = level_q <= LevelBits'(Capacity - InLanes);
  assign m_axis_tvalid = level_q >= take;

  assign in_step  = s_axis_tvalid && s_axis_tready;
  assign out_step = m_axis_tvalid && m_axis_tready;

  assign put  = in_pixel_last ? LevelBits'(InEnd) : LevelBits'(InLanes);
  assign take = out_pixel_last ? LevelBits'(OutEnd) : LevelBits'(OutLanes);

  // Element j: an old one below the fill level, behind it the input lane that falls there. The padding of an
  // input beat is put too, beyond the new level, where the next beat replaces it.
  for (genvar j = 0; j < Capacity; j++) begin : gen_element
    logic [InLanes-1:0] here;
    logic [Bits-1:0]    element;

    for (genvar lane = 0; lane < InLanes; lane++) begin : gen_lane
      if (j >= lane && j - lane <= Capacity - InLanes) begin : gen_reached
        assign here[lane] = level_q == LevelBits'(j - lane);
      end else begin : gen_never
        assign here[lane] = 1'b0;
      end
    end

    always_comb begin
      element = buffer_q[j*Bits +: Bits] & {Bits{level_q > LevelBits'(j)}};
      for (int unsigned lane = 0; lane < InLanes; lane++) begin
        element = element | (s_axis_tdata[lane*Bits +: Bits] & {Bits{here[lane]}});
      end
    end

    assign filled[j*Bits +: Bits] = element;
  end

  always_comb begin
    buffer_d = filled;
    if (out_step) buffer_d = out_pixel_last ? filled >> (OutEnd * Bits) : filled >> OutBits;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) level_q <= '0;
    else        level_q <= level_q + (in_step ? put : '0) - (out_step ? take : '0);
  end

  always_ff @(posedge clk) begin
    buffer_q <= buffer_d;
  end

  if (OutEnd == OutLanes) begin : gen_full
    assign m_axis_tdata = buffer_q[OutBits-1:0];
  end else begin : gen_mask
    assign m_axis_tdata = out_pixel_last ? OutBits'(buffer_q[OutEnd*Bits-1:0]) : buffer_q[OutBits-1:0];
  end

  beat_counter #(.Pixels(InPixels), .PixelBeats(InBeats)) u_in_position (
    .clk, .rst_n, .step(in_step), .pixel_last(in_pixel_last), .frame_last(unused_in_frame_last)
  );

  beat_counter #(.Pixels(OutPixels), .PixelBeats(OutBeats)) u_out_position (
    .clk, .rst_n, .step(out_step), .pixel_last(out_pixel_last), .frame_last(m_axis_tlast)
  );

  logic unused_tlast;
  assign unused_tlast = s_axis_tlast;

endmodule

`default_nettype wire
