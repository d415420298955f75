// Read-only memory of any depth: data 3 enabled cycles after the address, 5 if it has banks, 6 if it has more than 8.
//
// One that is deeper than BankWords is made of banks of that many words: a register for their address, two behind each,
// its own and one on the way to the others, then one behind the choice among 8 of them, and if there are more, one
// behind the choice among these: however deep the memory is, and however far apart its block RAMs lie, no cycle sees
// more than a way or a choice. Each bank has a file of its own: `<File>_00.mem`, … `<File>_99.mem`, `<File>_100.mem`
// and so on; a single one reads `File`.
`default_nettype none

module weight_memory #(
  parameter int unsigned Depth     = 16,
  parameter int unsigned Bits      = 8,
  parameter int unsigned BankWords = 0,  // 0: a single bank
  parameter              File      = "",
  localparam int unsigned AddrBits = $clog2(Depth + 1)
) (
  input  logic                clk,
  input  logic                enable,
  input  logic [AddrBits-1:0] addr,
  output logic [Bits-1:0]     data
);
  // A bank's number in decimal, two digits or as many as it takes.
  function automatic int decimal_digits(int value);
    decimal_digits = 2;
    for (int rest = value / 100; rest > 0; rest = rest / 10) decimal_digits = decimal_digits + 1;
  endfunction

  function automatic logic [79:0] decimal(int value);  // ten digits, the most of an int
    for (int i = 0; i < 10; i++) begin
      decimal[8*i +: 8] = 8'(48 + value % 10);
      value = value / 10;
    end
  endfunction

  logic [AddrBits-1:0] addr_q;
  always_ff @(posedge clk) begin
    if (enable) addr_q <= addr;
  end

  if (BankWords == 0 || BankWords >= Depth) begin : gen_single
    read_memory #(.Depth(Depth), .Bits(Bits), .File(File)) u_memory (.clk, .enable, .addr(addr_q), .data);
  end else begin : gen_banks
    if ((BankWords & (BankWords - 1)) != 0) begin : gen_bad_bank
      $error("weight_memory: BankWords must be a power of two");
    end
    localparam int unsigned Banks = (Depth + BankWords - 1) / BankWords;
    localparam int unsigned WordBits = $clog2(BankWords);
    localparam int unsigned SelectBits = $clog2(Banks);
    localparam int unsigned Octets = (Banks + 7) / 8;
    logic [SelectBits-1:0] select1_q, select2_q, select3_q, select4_q;
    // Words lie a power of two apart: to find one at a multiple of Bits, yosys takes a multiplier for some widths.
    localparam int unsigned Pitch = 1 << $clog2(Bits);
    logic [Octets*8*Pitch-1:0] words_q;
    logic [Octets*Pitch-1:0] chosen_q;
    for (genvar b = 0; b < Octets * 8; b++) begin : gen_bank
      localparam int unsigned Words = (b < Banks - 1) ? BankWords : Depth - b * BankWords;
      if (b < Banks) begin : gen_memory
        localparam int unsigned BankBits = $clog2(Words + 1);
        localparam int unsigned Digits = decimal_digits(b);
        localparam logic [79:0] Decimal = decimal(b);
        logic [Bits-1:0] word;
        read_memory #(.Depth(Words), .Bits(Bits), .File({File, "_", Decimal[8*Digits-1:0], ".mem"})) u_memory (
          .clk, .enable, .addr(BankBits'(addr_q[WordBits-1:0])), .data(word)
        );
        always_ff @(posedge clk) begin
          if (enable) words_q[b*Pitch +: Bits] <= word;
        end
      end else begin : gen_none
        assign words_q[b*Pitch +: Bits] = '0;
      end
      if (Pitch > Bits) begin : gen_gap
        assign words_q[b*Pitch+Bits +: Pitch-Bits] = '0;
      end
    end
    always_ff @(posedge clk) begin
      if (enable) begin
        select1_q <= addr_q[WordBits +: SelectBits];
        select2_q <= select1_q;
        select3_q <= select2_q;
        select4_q <= select3_q;
      end
    end
    for (genvar o = 0; o < Octets; o++) begin : gen_octet
      always_ff @(posedge clk) begin
        if (enable) chosen_q[o*Pitch +: Bits] <= words_q[(o*8+int'(select3_q)%8)*Pitch +: Bits];
      end
      if (Pitch > Bits) begin : gen_gap
        assign chosen_q[o*Pitch+Bits +: Pitch-Bits] = '0;
      end
    end
    if (Octets > 1) begin : gen_deep
      always_ff @(posedge clk) begin
        if (enable) data <= chosen_q[int'(select4_q)/8*Pitch +: Bits];
      end
    end else begin : gen_flat
      assign data = chosen_q[Bits-1:0];
      logic unused;
      assign unused = ^{select4_q, chosen_q};
    end
    if (AddrBits > WordBits + SelectBits) begin : gen_unused
      logic unused;
      assign unused = ^addr_q[AddrBits-1:WordBits+SelectBits];
    end
  end
endmodule

`default_nettype wire
