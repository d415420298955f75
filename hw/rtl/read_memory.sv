// Read-only memory with two registers behind it (block RAM and its output register): data 2 enabled cycles after the
// address.
`default_nettype none

module read_memory #(
  parameter int unsigned Depth = 16,
  parameter int unsigned Bits  = 8,
  parameter              File  = "",
  localparam int unsigned AddrBits = $clog2(Depth + 1)
) (
  input  logic                clk,
  input  logic                enable,
  input  logic [AddrBits-1:0] addr,
  output logic [Bits-1:0]     data
);
  localparam int unsigned IndexBits = (Depth > 1) ? $clog2(Depth) : 1;

  logic [Bits-1:0] mem [0:Depth-1];
  logic [Bits-1:0] read_q;

  if (File != "") begin : gen_file
    initial $readmemh(File, mem);
  end else begin : gen_zero
    initial for (int i = 0; i < Depth; i++) mem[i] = '0;
  end

  always_ff @(posedge clk) begin
    if (enable) begin
      read_q <= mem[addr[IndexBits-1:0]];
      data   <= read_q;
    end
  end

`ifndef SYNTHESIS
  memory_assert #(.Depth(Depth), .Bits(Bits), .File(File)) u_assert ();
`endif

  if (AddrBits > IndexBits) begin : gen_unused
    logic unused;
    assign unused = ^addr[AddrBits-1:IndexBits];
  end
endmodule

`default_nettype wire
