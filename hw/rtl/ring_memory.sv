// Words written one after the other, modulo Words, and read Rows × Cols at a time: a block of neighbours at fixed
// distances.
//
// Each word of a block comes from a copy of the memory of its own, which is written at its distance before the others,
// so that all copies are read at one address. They are read in the cycle of the address, so that a word may be
// overwritten in the next one; read data come 2 enabled cycles after the address.
`default_nettype none

module ring_memory #(
  parameter int unsigned Bits     = 8,
  parameter int unsigned Words    = 8,
  parameter int unsigned Rows     = 1,
  parameter int unsigned Cols     = 1,
  parameter int unsigned RowWords = 4,  // from one row of the block to the next
  parameter int unsigned ColWords = 1,
  localparam int unsigned AddrBits = $clog2(Words + 1)
) (
  input  logic                      clk,
  input  logic                      rst_n,
  input  logic                      write,
  input  logic [Bits-1:0]           write_data,
  input  logic                      read_enable,
  input  logic [AddrBits-1:0]       read_addr,  // of the block's first word
  output logic [Rows*Cols*Bits-1:0] read_data
);
  localparam int unsigned IndexBits = (Words > 1) ? $clog2(Words) : 1;

  for (genvar i = 0; i < Rows; i++) begin : gen_row
    for (genvar j = 0; j < Cols; j++) begin : gen_col
      localparam int unsigned Distance = (i * RowWords + j * ColWords) % Words;
      localparam int unsigned Start = (Words - Distance) % Words;
      logic [IndexBits-1:0] write_q;
      always_ff @(posedge clk) begin
        if (!rst_n) write_q <= IndexBits'(Start);
        else if (write) write_q <= (int'(write_q) == Words - 1) ? '0 : write_q + IndexBits'(1);
      end

      (* no_rw_check *) logic [Bits-1:0] mem [0:Words-1];  // what is read while it is written is not used
      logic [Bits-1:0] read_q, data_q;
      always_ff @(posedge clk) begin
        if (write) mem[write_q] <= write_data;
        if (read_enable) begin
          read_q <= mem[read_addr[IndexBits-1:0]];
          data_q <= read_q;
        end
      end
      assign read_data[(i*Cols+j)*Bits +: Bits] = data_q;
    end
  end

  if (AddrBits > IndexBits) begin : gen_unused
    logic unused;
    assign unused = ^read_addr[AddrBits-1:IndexBits];
  end
endmodule

`default_nettype wire
