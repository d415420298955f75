// Harness for upsample.
//
// The source may do anything, also withdraw a beat. One input beat, marked at an arbitrary time, is followed through:
// the harness walks the output frame by counters of its own, counts the rows ahead of the marked beat, and each
// output beat that repeats it must show its content. As it may be any beat, a wrong repeat breaks the proof.

`default_nettype none

module upsample_formal #(
  parameter int unsigned InHeight     = 2,
  parameter int unsigned InWidth      = 2,
  parameter int unsigned PixelBeats   = 2,
  parameter int unsigned FactorHeight = 2,
  parameter int unsigned FactorWidth  = 2
) (
  input logic clk,
  input logic s_tdata,
  input logic s_tvalid,
  input logic m_tready,
  input logic mark
);

  localparam int unsigned RowBeats = InWidth * PixelBeats;

  logic s_tready, s_tlast, m_tdata, m_tvalid, m_tlast;
  reg   rst_n = 1'b0;

  always @(posedge clk) rst_n <= 1'b1;

  upsample #(
    .InHeight(InHeight), .InWidth(InWidth), .Channels(PixelBeats), .Lanes(1), .Bits(1),
    .FactorHeight(FactorHeight), .FactorWidth(FactorWidth)
  ) dut (
    .clk(clk), .rst_n(rst_n),
    .s_axis_tdata(s_tdata), .s_axis_tvalid(s_tvalid), .s_axis_tready(s_tready), .s_axis_tlast(s_tlast),
    .m_axis_tdata(m_tdata), .m_axis_tvalid(m_tvalid), .m_axis_tready(m_tready), .m_axis_tlast(m_tlast)
  );

  wire push = rst_n && s_tvalid && s_tready;
  wire pop  = rst_n && m_tvalid && m_tready;

  // Input: beat in the row, row in the frame. Output: beat, repeat, pixel, walk, row.
  // No wider than they need to be: spare states cost the proof time.
  reg [$clog2(RowBeats + 1)-1:0]     in_at = 0;
  reg [$clog2(InHeight + 1)-1:0]     in_y = 0, y = 0;
  reg [$clog2(PixelBeats + 1)-1:0]   beat = 0;
  reg [$clog2(FactorWidth + 1)-1:0]  copy = 0;
  reg [$clog2(InWidth + 1)-1:0]      x = 0;
  reg [$clog2(FactorHeight + 1)-1:0] walk = 0;

  wire       in_row_end = in_at == RowBeats - 1;
  wire       copy_end   = beat == PixelBeats - 1;
  wire       pixel_end  = copy_end && copy == FactorWidth - 1;
  wire       walk_end   = pixel_end && x == InWidth - 1;
  wire       row_end    = walk_end && walk == FactorHeight - 1;
  wire [$clog2(RowBeats + 1)-1:0] out_at = x * PixelBeats + beat;

  assign s_tlast = in_row_end && in_y == InHeight - 1;

  always @(posedge clk) begin
    if (push) begin
      in_at <= in_row_end ? 1'b0 : in_at + 1'b1;
      if (in_row_end) in_y <= (in_y == InHeight - 1) ? 1'b0 : in_y + 1'b1;
    end
    if (pop) begin
      beat <= copy_end ? 1'b0 : beat + 1'b1;
      if (copy_end)  copy <= pixel_end ? 1'b0 : copy + 1'b1;
      if (pixel_end) x <= walk_end ? 1'b0 : x + 1'b1;
      if (walk_end)  walk <= row_end ? 1'b0 : walk + 1'b1;
      if (row_end)   y <= (y == InHeight - 1) ? 1'b0 : y + 1'b1;
    end
  end

  // Complete rows that the output has not left, those of them ahead of the marked beat, and its place in its row.
  reg [2:0] rows = 0, ahead = 0;
  reg [$clog2(RowBeats + 1)-1:0] at = 0;
  reg       marked = 1'b0, gone = 1'b0, value = 1'b0;
  reg [1:0] waited = 0;

  wire row_in  = push && in_row_end;
  wire row_out = pop && row_end;
  // The beat to be put out has come in.
  wire there   = rows != 0 || out_at < in_at;

  always @(posedge clk) begin
    rows <= rows + row_in - row_out;
    if (push && mark && !marked) begin
      marked <= 1'b1;
      value  <= s_tdata;
      at     <= in_at;
      ahead  <= rows - row_out;
    end else if (row_out && marked && !gone) begin
      if (ahead == 0) gone  <= 1'b1;
      else            ahead <= ahead - 1'b1;
    end
    waited <= (there && !m_tvalid) ? waited + 2'd1 : 2'd0;
  end

  reg       stalled = 1'b0;
  reg [1:0] offered = 0;

  always @(posedge clk) begin
    stalled <= rst_n && m_tvalid && !m_tready;
    offered <= {m_tlast, m_tdata};
  end

  always @(posedge clk) begin
    if (rst_n) begin
      hold:     assert (!stalled || (m_tvalid && {m_tlast, m_tdata} == offered));
      order:    assert (!(m_tvalid && marked && !gone && ahead == 0 && out_at == at) || m_tdata == value);
      invented: assert (!m_tvalid || there);
      last:     assert (!m_tvalid || m_tlast == (row_end && y == InHeight - 1));
      progress: assert (waited < 3);
      room:     assert (s_tready || there);
    end
  end

endmodule

`default_nettype wire
