// Any function of a narrow integer, as a table.
//
//   y = table[x], the address being the two's complement bit pattern of x
//
// Element by element; beats keep their order. Each two lanes share one ROM with two registered read ports, which
// becomes a true dual-port block RAM. Latency 2, one beat a cycle: Beats cycles a frame.
// `s_axis_tready` depends on registers alone.

`default_nettype none

module lookup #(
  parameter int unsigned Beats     = 16,
  parameter int unsigned Lanes     = 3,
  parameter int unsigned InBits    = 8,
  parameter int unsigned InSigned  = 1,
  parameter int unsigned OutBits   = 8,
  parameter int unsigned OutSigned = 1,
  parameter              TableFile = ""
) (
  input  logic                     clk,
  input  logic                     rst_n,

  input  logic [Lanes*InBits-1:0]  s_axis_tdata,
  input  logic                     s_axis_tvalid,
  output logic                     s_axis_tready,
  input  logic                     s_axis_tlast,

  output logic [Lanes*OutBits-1:0] m_axis_tdata,
  output logic                     m_axis_tvalid,
  input  logic                     m_axis_tready,
  output logic                     m_axis_tlast
);

  if (Beats < 1 || Lanes < 1 || OutBits < 1) begin : gen_bad_size
    $error("lookup: Beats, Lanes and OutBits must be at least 1");
  end
  if (InBits < 1 || InBits > 12) begin : gen_bad_in_bits
    $error("lookup: InBits must lie between 1 and 12, a table has 2^InBits words");
  end
  if (InSigned > 1 || OutSigned > 1) begin : gen_bad_sign
    $error("lookup: InSigned and OutSigned must be 0 or 1");
  end

  localparam int unsigned Roms = (Lanes + 1) / 2;

  logic [Lanes*OutBits-1:0] read_q, value_q;
  logic                     read_valid_q, read_last_q, value_valid_q, value_last_q;
  logic                     advance, skid_ready;

  assign advance       = !value_valid_q || skid_ready;
  assign s_axis_tready = advance;

  for (genvar rom = 0; rom < Roms; rom++) begin : gen_rom
    localparam int unsigned Lane0 = 2 * rom;
    localparam int unsigned Lane1 = 2 * rom + 1;

    logic [OutBits-1:0] mem [2**InBits];

    // Without a file the module is only there to be elaborated.
    if (TableFile != "") begin : gen_file
      initial $readmemh(TableFile, mem);
    end else begin : gen_zero
      initial for (int i = 0; i < 2**InBits; i++) mem[i] = '0;
    end

    always_ff @(posedge clk) begin
      if (advance) read_q[Lane0*OutBits +: OutBits] <= mem[s_axis_tdata[Lane0*InBits +: InBits]];
    end

    if (Lane1 < Lanes) begin : gen_second_port
      always_ff @(posedge clk) begin
        if (advance) read_q[Lane1*OutBits +: OutBits] <= mem[s_axis_tdata[Lane1*InBits +: InBits]];
      end
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      read_valid_q  <= 1'b0;
      value_valid_q <= 1'b0;
    end else if (advance) begin
      read_valid_q  <= s_axis_tvalid;
      value_valid_q <= read_valid_q;
    end
  end

  // The ROM's slow output goes straight into flip-flops.
  always_ff @(posedge clk) begin
    if (advance) begin
      read_last_q  <= s_axis_tlast;
      value_last_q <= read_last_q;
      value_q      <= read_q;
    end
  end

  // Makes the ready that stalls the ROM a register.
  skid_buffer #(.Bits(Lanes * OutBits)) u_skid (
    .clk, .rst_n,
    .s_axis_tdata(value_q), .s_axis_tvalid(value_valid_q), .s_axis_tready(skid_ready), .s_axis_tlast(value_last_q),
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );

`ifndef SYNTHESIS
  memory_assert #(.Depth(2 ** InBits), .Bits(OutBits), .File(TableFile)) u_assert_table ();
  stream_assert #(.Bits(1), .Beats(Beats)) u_assert_in (
    .clk, .rst_n, .tdata(1'b0), .tvalid(s_axis_tvalid), .tready(s_axis_tready), .tlast(s_axis_tlast)
  );
  stream_assert #(.Bits(Lanes * OutBits), .Beats(Beats)) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
