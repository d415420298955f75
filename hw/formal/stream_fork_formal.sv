// Harness for stream_fork.
//
// The source may do anything, also withdraw a beat, and each sink may stall as it likes. One beat, marked at an
// arbitrary time, is followed to every output: the harness counts the beats ahead of it there, and when none is left
// the beat on that output must be this one. As it may be any beat with any content, a beat lost, doubled or out of
// order at any output breaks the proof. Each output's beats are counted for themselves: it offers one whenever it holds
// one, whatever the others do, and the input waits for nothing but an output that holds two.

`default_nettype none

module stream_fork_formal #(
  parameter int unsigned Outputs = 2,
  parameter int unsigned Beats   = 3
) (
  input logic               clk,
  input logic               s_tdata,
  input logic               s_tvalid,
  input logic [Outputs-1:0] m_tready,
  input logic               mark
);

  logic               s_tready, s_tlast;
  logic [Outputs-1:0] m_tdata, m_tvalid, m_tlast, full, holds, ordered, offers;
  reg                 rst_n = 1'b0;

  always @(posedge clk) rst_n <= 1'b1;

  stream_fork #(.Outputs(Outputs), .Beats(Beats), .Bits(1)) dut (
    .clk(clk), .rst_n(rst_n),
    .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
    .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
  );

  wire push = rst_n && s_tvalid && s_tready;

  reg [$clog2(Beats+1)-1:0] in_beat = 0;
  reg                       marked = 1'b0;
  reg [1:0]                 value = 2'd0;

  assign s_tlast = in_beat == Beats - 1;

  always @(posedge clk) begin
    if (push) in_beat <= s_tlast ? 1'b0 : in_beat + 1'b1;
    if (push && mark && !marked) begin
      marked <= 1'b1;
      value  <= {s_tlast, s_tdata};
    end
  end

  for (genvar i = 0; i < Outputs; i++) begin : gen_output
    wire pop = rst_n && m_tvalid[i] && m_tready[i];

    // Beats that this output holds, and those of them ahead of the marked one.
    reg [1:0] held = 2'd0, ahead = 2'd0;
    reg       gone = 1'b0;
    reg       stalled = 1'b0;
    reg [1:0] offered = 2'd0;

    assign full[i] = held >= 2;

    always @(posedge clk) begin
      held <= held + push - pop;
      if (push && mark && !marked) begin
        ahead <= held - pop;
      end else if (pop && marked && !gone) begin
        if (ahead == 0) gone  <= 1'b1;
        else            ahead <= ahead - 1'b1;
      end
      stalled <= rst_n && m_tvalid[i] && !m_tready[i];
      offered <= {m_tlast[i], m_tdata[i]};
    end

    assign holds[i]   = !stalled || (m_tvalid[i] && {m_tlast[i], m_tdata[i]} == offered);
    assign ordered[i] = !(m_tvalid[i] && marked && !gone && ahead == 0) || {m_tlast[i], m_tdata[i]} == value;
    assign offers[i]  = m_tvalid[i] == (held != 0);
  end

  always @(posedge clk) begin
    if (rst_n) begin
      hold:        assert (holds == {Outputs{1'b1}});
      order:       assert (ordered == {Outputs{1'b1}});
      independent: assert (offers == {Outputs{1'b1}});
      room:        assert (s_tready == (full == 0));
    end
  end

endmodule

`default_nettype wire
