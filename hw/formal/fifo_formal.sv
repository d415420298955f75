// Harness for streams that keep their beats: skid_buffer (Depth = 0) and fifo.
//
// The source may do anything, also withdraw a beat. One beat, marked at an arbitrary time, is followed through: the
// harness counts the beats ahead of it, and when none is left the beat on the output must be this one. As it may be
// any beat with any content, a beat lost, doubled or out of order breaks the proof.

`default_nettype none

module fifo_formal #(
  parameter int unsigned Depth = 0
) (
  input logic clk,
  input logic s_tdata,
  input logic s_tvalid,
  input logic s_tlast,
  input logic m_tready,
  input logic mark
);

  localparam int unsigned Capacity = Depth == 0 ? 2 : Depth;
  localparam int unsigned Latency  = Capacity <= 2 ? 1 : 2;
  localparam int unsigned HeldBits = $clog2(Capacity + 2);

  logic s_tready, m_tdata, m_tvalid, m_tlast;
  reg   rst_n = 1'b0;

  always @(posedge clk) rst_n <= 1'b1;

  if (Depth == 0) begin : gen_skid
    skid_buffer #(.Bits(1)) dut (
      .clk(clk), .rst_n(rst_n),
      .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
      .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
    );
  end else begin : gen_fifo
    fifo #(.Depth(Depth), .Bits(1)) dut (
      .clk(clk), .rst_n(rst_n),
      .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
      .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
    );
  end

  wire push = rst_n && s_tvalid && s_tready;
  wire pop  = rst_n && m_tvalid && m_tready;

  // Beats inside, and those of them ahead of the marked one.
  reg [HeldBits-1:0] held = '0;
  reg [HeldBits-1:0] ahead = '0;
  reg       marked = 1'b0;
  reg       gone = 1'b0;
  reg [1:0] value = 2'd0;
  reg [1:0] waited = 2'd0;

  always @(posedge clk) begin
    held <= held + push - pop;
    if (push && mark && !marked) begin
      marked <= 1'b1;
      value  <= {s_tlast, s_tdata};
      ahead  <= held - pop;
    end else if (pop && marked && !gone) begin
      if (ahead == 0) gone  <= 1'b1;
      else            ahead <= ahead - 1'b1;
    end
    waited <= (held != 0 && !m_tvalid) ? waited + 2'd1 : 2'd0;
  end

  reg       stalled = 1'b0;
  reg [1:0] offered = 2'd0;

  always @(posedge clk) begin
    stalled <= rst_n && m_tvalid && !m_tready;
    offered <= {m_tlast, m_tdata};
  end

  always @(posedge clk) begin
    if (rst_n) begin
      hold:     assert (!stalled || (m_tvalid && {m_tlast, m_tdata} == offered));
      order:    assert (!(pop && marked && !gone && ahead == 0) || {m_tlast, m_tdata} == value);
      invented: assert (!m_tvalid || held != 0);
      capacity: assert (s_tready == (held < Capacity));
      progress: assert (waited < Latency);
    end
  end

endmodule

`default_nettype wire
