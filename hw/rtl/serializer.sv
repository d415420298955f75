// Wide beats to narrow ones: InLanes = Ratio * OutLanes.
//
//   out beat n of a pixel = elements n*OutLanes … n*OutLanes + OutLanes - 1, zero beyond the pixel
//
// A skid buffer whose output register shifts: the next wide beat waits in the spare register, so no cycle is
// lost between two of them, and `s_axis_tready` is a register. Narrow beats of padding alone are skipped.
// Latency 1; one output beat a cycle: Pixels * ceil(Channels/OutLanes) cycles a frame.

`default_nettype none

module serializer #(
  parameter int unsigned Pixels   = 4,
  parameter int unsigned Channels = 6,
  parameter int unsigned InLanes  = 4,
  parameter int unsigned OutLanes = 2,
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

  localparam int unsigned Ratio        = InLanes / OutLanes;
  localparam int unsigned RatioBits    = Ratio > 1 ? $clog2(Ratio) : 1;
  localparam int unsigned OutBeats     = (Channels + OutLanes - 1) / OutLanes;
  localparam int unsigned OutRemainder = Channels % OutLanes;
  localparam int unsigned OutBits      = OutLanes * Bits;

  if (Bits < 1 || OutLanes < 1 || Ratio < 2 || InLanes % OutLanes != 0) begin : gen_bad_lanes
    $error("serializer: InLanes must be a multiple of OutLanes, two times at least");
  end

  logic [InLanes*Bits-1:0] spare_q, shift_q;
  logic                    spare_free_q, shift_valid_q;
  logic [RatioBits-1:0]    part_q;
  logic                    step, load, part_last, part_full_q, pixel_last;

  assign s_axis_tready = spare_free_q;
  assign m_axis_tvalid = shift_valid_q;

  assign step      = m_axis_tvalid && m_axis_tready;
  assign part_last = pixel_last || part_full_q;
  assign load      = !shift_valid_q || (m_axis_tready && part_last);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      shift_valid_q <= 1'b0;
      spare_free_q  <= 1'b1;
      part_q        <= '0;
      part_full_q   <= 1'b0;
    end else begin
      if (load) begin
        shift_valid_q <= s_axis_tvalid || !spare_free_q;
        spare_free_q  <= 1'b1;
      end else begin
        spare_free_q  <= spare_free_q && !s_axis_tvalid;
      end
      if (step) begin
        part_q      <= part_last ? '0 : part_q + RatioBits'(1);
        part_full_q <= !part_last && part_q == RatioBits'(Ratio - 2);
      end
    end
  end

  always_ff @(posedge clk) begin
    if (spare_free_q)       spare_q <= s_axis_tdata;
    if (load)               shift_q <= spare_free_q ? s_axis_tdata : spare_q;
    else if (m_axis_tready) shift_q <= shift_q >> OutBits;
  end

  if (OutRemainder == 0) begin : gen_full
    assign m_axis_tdata = shift_q[OutBits-1:0];
  end else begin : gen_mask
    assign m_axis_tdata = pixel_last ? OutBits'(shift_q[OutRemainder*Bits-1:0]) : shift_q[OutBits-1:0];
  end

  beat_counter #(.Pixels(Pixels), .PixelBeats(OutBeats)) u_position (
    .clk, .rst_n, .step, .pixel_last, .frame_last(m_axis_tlast)
  );

  logic unused_tlast;
  assign unused_tlast = s_axis_tlast;

endmodule

`default_nettype wire
