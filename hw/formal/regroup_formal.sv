// Harness for modules that cut the same elements into other beats: width_converter (UseReshape = 0) and reshape.
//
// The source may do anything, also withdraw a beat; its padding is arbitrary. One element, marked in an arbitrary lane
// at an arbitrary time, is followed through: the harness counts the elements ahead of it, and the output must show
// it where that count says. As it may be any element with any content, an element lost, doubled or out of order
// breaks the proof. Elements have one bit: the modules move them without looking at them.

`default_nettype none

module regroup_formal #(
  parameter int unsigned UseReshape  = 0,
  parameter int unsigned Elements    = 12,
  parameter int unsigned InChannels  = 6,
  parameter int unsigned OutChannels = 6,
  parameter int unsigned InLanes     = 3,
  parameter int unsigned OutLanes    = 2
) (
  input logic                clk,
  input logic [InLanes-1:0]  s_tdata,
  input logic                s_tvalid,
  input logic                m_tready,
  input logic                mark,
  input logic [3:0]          mark_lane
);

  localparam int unsigned InBeats   = (InChannels + InLanes - 1) / InLanes;
  localparam int unsigned OutBeats  = (OutChannels + OutLanes - 1) / OutLanes;
  localparam int unsigned InEnd     = InChannels - (InBeats - 1) * InLanes;
  localparam int unsigned OutEnd    = OutChannels - (OutBeats - 1) * OutLanes;
  localparam int unsigned InFrame   = Elements / InChannels * InBeats;
  localparam int unsigned OutFrame  = Elements / OutChannels * OutBeats;
  localparam bit          Untouched = InLanes == OutLanes && InChannels == OutChannels;
  // More elements than any of the machines holds.
  localparam int unsigned HeldBits  = $clog2(3 * (InLanes + OutLanes) + 1);

  logic                s_tready, s_tlast, m_tvalid, m_tlast;
  logic [OutLanes-1:0] m_tdata;
  reg                  rst_n = 1'b0;

  always @(posedge clk) rst_n <= 1'b1;

  if (UseReshape != 0) begin : gen_reshape
    reshape #(
      .Elements(Elements), .InChannels(InChannels), .OutChannels(OutChannels),
      .InLanes(InLanes), .OutLanes(OutLanes), .Bits(1)
    ) dut (
      .clk(clk), .rst_n(rst_n),
      .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
      .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
    );
  end else begin : gen_width_converter
    width_converter #(
      .Pixels(Elements / InChannels), .Channels(InChannels), .InLanes(InLanes), .OutLanes(OutLanes), .Bits(1)
    ) dut (
      .clk(clk), .rst_n(rst_n),
      .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
      .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
    );
  end

  wire push = rst_n && s_tvalid && s_tready;
  wire pop  = rst_n && m_tvalid && m_tready;

  // Places in the frame and in the pixel, on both sides, and the elements of the beats there.
  reg [7:0] in_beat = 8'd0, in_part = 8'd0, out_beat = 8'd0, out_part = 8'd0;

  wire [HeldBits-1:0] put  = (in_part == InBeats - 1) ? InEnd : InLanes;
  wire [HeldBits-1:0] take = (out_part == OutBeats - 1) ? OutEnd : OutLanes;

  assign s_tlast = in_beat == InFrame - 1;

  always @(posedge clk) begin
    if (push) begin
      in_beat <= (in_beat == InFrame - 1) ? 8'd0 : in_beat + 8'd1;
      in_part <= (in_part == InBeats - 1) ? 8'd0 : in_part + 8'd1;
    end
    if (pop) begin
      out_beat <= (out_beat == OutFrame - 1) ? 8'd0 : out_beat + 8'd1;
      out_part <= (out_part == OutBeats - 1) ? 8'd0 : out_part + 8'd1;
    end
  end

  // Elements inside, and those of them ahead of the marked one.
  reg [HeldBits-1:0] held = '0, ahead = '0;
  reg                marked = 1'b0, gone = 1'b0, value = 1'b0;
  reg [1:0]          waited = 2'd0;

  always @(posedge clk) begin
    held <= held + (push ? put : '0) - (pop ? take : '0);
    if (push && mark && !marked && mark_lane < put) begin
      marked <= 1'b1;
      value  <= 1'(s_tdata >> mark_lane);
      ahead  <= held - (pop ? take : '0) + mark_lane;
    end else if (pop && marked && !gone) begin
      if (ahead < take) gone  <= 1'b1;
      else              ahead <= ahead - take;
    end
    waited <= (held >= take && !m_tvalid) ? waited + 2'd1 : 2'd0;
  end

  reg              stalled = 1'b0;
  reg [OutLanes:0] offered = '0;

  always @(posedge clk) begin
    stalled <= rst_n && m_tvalid && !m_tready;
    offered <= {m_tlast, m_tdata};
  end

  always @(posedge clk) begin
    if (rst_n) begin
      hold:     assert (!stalled || (m_tvalid && {m_tlast, m_tdata} == offered));
      order:    assert (!(m_tvalid && marked && !gone && ahead < take) || 1'(m_tdata >> ahead) == value);
      invented: assert (!m_tvalid || held >= take);
      padding:  assert (Untouched || !m_tvalid || (m_tdata >> take) == 0);
      last:     assert (!m_tvalid || m_tlast == (out_beat == OutFrame - 1));
      // No deadlock, and no idling: what makes an output beat is offered at once, and what is missing is let in.
      progress: assert (waited == 0);
      room:     assert (s_tready || held >= take);
    end
  end

endmodule

`default_nettype wire
