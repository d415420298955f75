// Harness for what makes one stream of several, or of a part of one: add, concat (Kind 1) and slice (Kind 2).
//
// Each source may do anything, also withdraw a beat. The harness says by counters of its own which inputs must be
// ready, which beats must enter the output and what they must be there. One of these, marked at an arbitrary time, is
// followed through: when no beat is left ahead of it, the beat on the output must be this one. As it may be any beat
// with any content, a beat lost, doubled, out of order or made of beats that do not belong together breaks the proof.

`default_nettype none

module join_formal #(
  parameter int unsigned          Kind       = 0,
  parameter int unsigned          Inputs     = 2,
  parameter int unsigned          Pixels     = 2,
  parameter logic [Inputs*32-1:0] PixelBeats = {32'd1, 32'd2},  // of each input
  parameter int unsigned          Start      = 1,               // beats of a pixel that a slice keeps
  parameter int unsigned          Stop       = 2,
  parameter int unsigned          Subtract   = 0
) (
  input logic              clk,
  input logic [Inputs-1:0] s_tdata,
  input logic [Inputs-1:0] s_tvalid,
  input logic              m_tready,
  input logic              mark
);

  localparam int unsigned OutBits  = Kind == 0 ? 3 : 1;
  localparam int unsigned OneBeats = PixelBeats[31:0];

  function automatic int unsigned all_beats();
    all_beats = 0;
    for (int i = 0; i < Inputs; i++) all_beats = all_beats + PixelBeats[i*32 +: 32];
  endfunction

  localparam int unsigned OutPixel = Kind == 0 ? OneBeats : Kind == 1 ? all_beats() : Stop - Start;
  localparam int unsigned OutFrame = Pixels * OutPixel;

  logic [Inputs-1:0]  s_tready, s_tlast, ready;
  logic [OutBits-1:0] m_tdata, entry;
  logic               m_tvalid, m_tlast, enter;
  reg                 rst_n = 1'b0;

  always @(posedge clk) rst_n <= 1'b1;

  // Beats that the output holds.
  reg [1:0] held = 2'd0;

  // Beats of each input in its frame.
  for (genvar i = 0; i < Inputs; i++) begin : gen_input
    localparam int unsigned Frame = Pixels * PixelBeats[i*32 +: 32];
    reg [$clog2(Frame+1)-1:0] beat = 0;

    assign s_tlast[i] = beat == Frame - 1;
    always @(posedge clk) if (rst_n && s_tvalid[i] && s_tready[i]) beat <= s_tlast[i] ? 1'b0 : beat + 1'b1;
  end

  // The input to be taken from, and its beat in the pixel.
  reg [$clog2(Inputs+1)-1:0] from = 0;
  reg [7:0]                  beat = 8'd0;
  wire                       moves = rst_n && (s_tvalid & s_tready) != 0;
  wire [31:0]                beats = PixelBeats >> (32 * from);

  always @(posedge clk) begin
    if (moves) begin
      beat <= (beat == beats - 1) ? 8'd0 : beat + 8'd1;
      if (Kind == 1 && beat == beats - 1) from <= (from == Inputs - 1) ? 1'b0 : from + 1'b1;
    end
  end

  if (Kind == 0) begin : gen_add
    add #(
      .Inputs(Inputs), .Beats(OutFrame), .Lanes(1), .InBits(1), .InSigned(0), .OutBits(OutBits), .Subtract(Subtract)
    ) dut (
      .clk(clk), .rst_n(rst_n),
      .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
      .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
    );
    assign ready = {Inputs{s_tvalid == {Inputs{1'b1}} && held < 2}};
    assign enter = moves;
    always @* begin
      entry = 0;
      for (int i = 0; i < Inputs; i++) entry = (Subtract != 0 && i > 0) ? entry - s_tdata[i] : entry + s_tdata[i];
    end
  end else if (Kind == 1) begin : gen_concat
    concat #(.Inputs(Inputs), .Pixels(Pixels), .Lanes(1), .Bits(1), .PixelBeats(PixelBeats)) dut (
      .clk(clk), .rst_n(rst_n),
      .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
      .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
    );
    assign ready = held < 2 ? 1'b1 << from : 0;
    assign enter = moves;
    assign entry = 1'(s_tdata >> from);
  end else begin : gen_slice
    slice #(.Pixels(Pixels), .Channels(OneBeats), .Start(Start), .Stop(Stop), .Lanes(1), .Bits(1)) dut (
      .clk(clk), .rst_n(rst_n),
      .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
      .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
    );
    assign ready = held < 2;
    assign enter = moves && beat >= Start && beat < Stop;
    assign entry = s_tdata;
  end

  wire pop = rst_n && m_tvalid && m_tready;

  reg [$clog2(OutFrame+1)-1:0] out_beat = 0;
  reg [1:0]                    ahead = 2'd0;
  reg                          marked = 1'b0, gone = 1'b0;
  reg [OutBits-1:0]            value = 0;

  always @(posedge clk) begin
    held <= held + enter - pop;
    if (pop) out_beat <= (out_beat == OutFrame - 1) ? 1'b0 : out_beat + 1'b1;
    if (enter && mark && !marked) begin
      marked <= 1'b1;
      value  <= entry;
      ahead  <= held - pop;
    end else if (pop && marked && !gone) begin
      if (ahead == 0) gone  <= 1'b1;
      else            ahead <= ahead - 1'b1;
    end
  end

  reg             stalled = 1'b0;
  reg [OutBits:0] offered = 0;

  always @(posedge clk) begin
    stalled <= rst_n && m_tvalid && !m_tready;
    offered <= {m_tlast, m_tdata};
  end

  always @(posedge clk) begin
    if (rst_n) begin
      hold:     assert (!stalled || (m_tvalid && {m_tlast, m_tdata} == offered));
      taken:    assert (s_tready == ready);
      order:    assert (!(m_tvalid && marked && !gone && ahead == 0) || m_tdata == value);
      progress: assert (m_tvalid == (held != 0));
      last:     assert (!m_tvalid || m_tlast == (out_beat == OutFrame - 1));
    end
  end

endmodule

`default_nettype wire
