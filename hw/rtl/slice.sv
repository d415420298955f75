// Some of the channels of each pixel, the others dropped.
//
//   pixel of m = channels Start … Stop - 1 of the pixel
//
// Lanes divides Start, so that beats pass as they are or not at all; in the last one the lanes beyond Stop are
// padding. A pixel is ceil(Channels/Lanes) beats in and ceil((Stop - Start)/Lanes) beats out. What is dropped is taken
// under the same condition as what is kept: the spare entry of the output's skid buffer is free.
// Latency 1; one input beat a cycle: Pixels * ceil(Channels/Lanes) cycles a frame.
// `s_axis_tready` depends on registers alone.

`default_nettype none

module slice #(
  parameter int unsigned Pixels   = 4,
  parameter int unsigned Channels = 7,
  parameter int unsigned Start    = 2,
  parameter int unsigned Stop     = 5,
  parameter int unsigned Lanes    = 2,
  parameter int unsigned Bits     = 8
) (
  input  logic                  clk,
  input  logic                  rst_n,

  input  logic [Lanes*Bits-1:0] s_axis_tdata,
  input  logic                  s_axis_tvalid,
  output logic                  s_axis_tready,
  input  logic                  s_axis_tlast,

  output logic [Lanes*Bits-1:0] m_axis_tdata,
  output logic                  m_axis_tvalid,
  input  logic                  m_axis_tready,
  output logic                  m_axis_tlast
);

  if (Pixels < 1 || Lanes < 1 || Bits < 1) begin : gen_bad_size
    $error("slice: Pixels, Lanes and Bits must be at least 1");
  end
  if (Start >= Stop || Stop > Channels) begin : gen_bad_range
    $error("slice: Start must be below Stop, and Stop at most Channels");
  end
  if (Start % Lanes != 0) begin : gen_bad_lanes
    $error("slice: Lanes must divide Start");
  end

  localparam int unsigned InBeats   = (Channels + Lanes - 1) / Lanes;
  localparam int unsigned First     = Start / Lanes;
  localparam int unsigned Last      = (Stop + Lanes - 1) / Lanes - 1;
  localparam int unsigned BeatBits  = InBeats > 1 ? $clog2(InBeats) : 1;

  // Beat of the pixel, and whether it is kept.
  logic [BeatBits-1:0] beat_q, beat_next;
  logic                keep_q, keep_last;
  logic                step, pixel_end, last_pixel, unused_frame_last, skid_ready;

  assign s_axis_tready = skid_ready;
  assign step          = s_axis_tvalid && skid_ready;
  assign pixel_end     = beat_q == BeatBits'(InBeats - 1);
  assign keep_last     = beat_q == BeatBits'(Last);
  assign beat_next     = pixel_end ? '0 : beat_q + BeatBits'(1);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      beat_q <= '0;
      keep_q <= First == 0;
    end else if (step) begin
      beat_q <= beat_next;
      keep_q <= beat_next == BeatBits'(First) || (keep_q && !keep_last);
    end
  end

  beat_counter #(.Pixels(1), .PixelBeats(Pixels)) u_pixel (
    .clk, .rst_n, .step(step && pixel_end), .pixel_last(last_pixel), .frame_last(unused_frame_last)
  );

  skid_buffer #(.Bits(Lanes * Bits)) u_skid (
    .clk, .rst_n,
    .s_axis_tdata, .s_axis_tvalid(s_axis_tvalid && keep_q), .s_axis_tready(skid_ready),
    .s_axis_tlast(keep_last && last_pixel),
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );

  logic unused_tlast;
  assign unused_tlast = s_axis_tlast;

`ifndef SYNTHESIS
  stream_assert #(.Bits(1), .Beats(Pixels * InBeats)) u_assert_in (
    .clk, .rst_n, .tdata(1'b0), .tvalid(s_axis_tvalid), .tready(s_axis_tready), .tlast(s_axis_tlast)
  );
  stream_assert #(.Bits(Lanes * Bits), .Beats(Pixels * (Last - First + 1))) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
