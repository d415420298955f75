// Narrow beats to wide ones: OutLanes = Ratio * InLanes.
//
//   out beat n of a pixel = elements n*OutLanes … n*OutLanes + OutLanes - 1, zero beyond the pixel
//
// Beats gather in one register and move to the output register together with the last of their group. If the
// output stalls then, the complete group waits where it gathered: `s_axis_tready` is a register. One input beat
// a cycle: Pixels * ceil(Channels/InLanes) cycles a frame. Latency: the beats of the first group, Ratio at most.

`default_nettype none

module deserializer #(
  parameter int unsigned Pixels   = 4,
  parameter int unsigned Channels = 6,
  parameter int unsigned InLanes  = 2,
  parameter int unsigned OutLanes = 4,
  parameter int unsigned Bits     = 8
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

  localparam int unsigned Ratio       = OutLanes / InLanes;
  localparam int unsigned RatioBits   = Ratio > 1 ? $clog2(Ratio) : 1;
  localparam int unsigned InBeats     = (Channels + InLanes - 1) / InLanes;
  localparam int unsigned InRemainder = Channels % InLanes;
  localparam int unsigned InBits      = InLanes * Bits;

  if (Bits < 1 || InLanes < 1 || Ratio < 2 || OutLanes % InLanes != 0) begin : gen_bad_lanes
    $error("deserializer: OutLanes must be a multiple of InLanes, two times at least");
  end

  logic [InBits-1:0]        part;
  logic [OutLanes*Bits-1:0] group_q, group_d, out_q;
  logic                     group_free_q, out_valid_q, out_last_q, group_last_q;
  logic [RatioBits-1:0]     part_q;
  logic                     step, complete, out_free, pixel_last, frame_last;

  // group_free_q: the gathering register still takes beats, it holds no complete group.
  assign s_axis_tready = group_free_q;
  assign m_axis_tvalid = out_valid_q;
  assign m_axis_tdata  = out_q;
  assign m_axis_tlast  = out_last_q;

  assign step     = s_axis_tvalid && s_axis_tready;
  assign complete = step && (pixel_last || part_q == RatioBits'(Ratio - 1));
  assign out_free = !out_valid_q || m_axis_tready;

  if (InRemainder == 0) begin : gen_full
    assign part = s_axis_tdata;
  end else begin : gen_mask
    assign part = pixel_last ? InBits'(s_axis_tdata[InRemainder*Bits-1:0]) : s_axis_tdata;
  end

  // The group with the part of this cycle in it, and zeros where no part has come yet.
  for (genvar i = 0; i < Ratio; i++) begin : gen_part
    if (i < Ratio - 1) begin : gen_stored
      assign group_d[i*InBits +: InBits] = (part_q == RatioBits'(i)) ? part
                                         : (part_q > RatioBits'(i))  ? group_q[i*InBits +: InBits] : '0;
    end else begin : gen_final
      assign group_d[i*InBits +: InBits] = (part_q == RatioBits'(i)) ? part : '0;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      group_free_q <= 1'b1;
      out_valid_q  <= 1'b0;
      part_q       <= '0;
    end else begin
      if (out_free) begin
        out_valid_q  <= complete || !group_free_q;
        group_free_q <= 1'b1;
      end else begin
        group_free_q <= group_free_q && !complete;
      end
      if (step) part_q <= complete ? '0 : part_q + RatioBits'(1);
    end
  end

  always_ff @(posedge clk) begin
    if (step) begin
      group_q      <= group_d;
      group_last_q <= frame_last;
    end
    if (out_free) begin
      out_q      <= group_free_q ? group_d : group_q;
      out_last_q <= group_free_q ? frame_last : group_last_q;
    end
  end

  beat_counter #(.Pixels(Pixels), .PixelBeats(InBeats)) u_position (
    .clk, .rst_n, .step, .pixel_last, .frame_last
  );

  logic unused_tlast;
  assign unused_tlast = s_axis_tlast;

endmodule

`default_nettype wire
