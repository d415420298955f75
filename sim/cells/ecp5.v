// ECP5 cells of which yosys ships the outline only, for checking a netlist: as yosys uses them, no more.
//
// After Lattice's FPGA-TN-02205 (sysDSP) and FPGA-TN-02204 (memory). Read by yosys, which flattens a netlist into them.

// 18 × 18 bits, each signed if SIGNEDA, SIGNEDB say so; registers at either input and at the output, as REG_…_CLK say.
module MULT18X18D (
  input  A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
  input  B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
  input  C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
  input  SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, CLK0, CE0, RST0,
  output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14,
      P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
  parameter REG_INPUTA_CLK = "NONE";
  parameter REG_INPUTA_CE = "CE0";
  parameter REG_INPUTA_RST = "RST0";
  parameter REG_INPUTB_CLK = "NONE";
  parameter REG_INPUTB_CE = "CE0";
  parameter REG_INPUTB_RST = "RST0";
  parameter REG_OUTPUT_CLK = "NONE";
  parameter REG_OUTPUT_CE = "CE0";
  parameter REG_OUTPUT_RST = "RST0";

  wire signed [18:0] a_d = {SIGNEDA & A17, A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1,
      A0};
  wire signed [18:0] b_d = {SIGNEDB & B17, B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1,
      B0};
  reg signed [18:0] a_q, b_q;
  reg signed [37:0] product_q;
  wire signed [18:0] a = REG_INPUTA_CLK == "CLK0" ? a_q : a_d;
  wire signed [18:0] b = REG_INPUTB_CLK == "CLK0" ? b_q : b_d;
  wire signed [37:0] product_d = a * b;
  wire signed [37:0] product = REG_OUTPUT_CLK == "CLK0" ? product_q : product_d;
  always @(posedge CLK0) if (CE0) begin
    a_q <= a_d;
    b_q <= b_d;
    product_q <= product_d;
  end
  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14,
      P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = product[35:0];
endmodule

// 2048 units of 9 bits. Port A reads and writes, port B reads; 36 bits are written on port A and read on port B, with
// the data pins of both. Narrower than 9 bits, the ninth bit of a unit is not used. 18 bits take 20 of an INITVAL.
module DP16KD (
  input  DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1,
      DIA0,
  input  ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input  CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1,
      DOA0,
  input  DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1,
      DIB0,
  input  ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input  CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1,
      DOB0
);
  parameter DATA_WIDTH_A = 18;
  parameter DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG";
  parameter REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC";
  parameter ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000";
  parameter CSDECODE_B = "0b000";
  parameter WRITEMODE_A = "NORMAL";
  parameter WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA";
  parameter CLKBMUX = "CLKB";
  parameter GSR = "AUTO";
  parameter INITVAL_00 = 320'h0;
  parameter INITVAL_01 = 320'h0;
  parameter INITVAL_02 = 320'h0;
  parameter INITVAL_03 = 320'h0;
  parameter INITVAL_04 = 320'h0;
  parameter INITVAL_05 = 320'h0;
  parameter INITVAL_06 = 320'h0;
  parameter INITVAL_07 = 320'h0;
  parameter INITVAL_08 = 320'h0;
  parameter INITVAL_09 = 320'h0;
  parameter INITVAL_0A = 320'h0;
  parameter INITVAL_0B = 320'h0;
  parameter INITVAL_0C = 320'h0;
  parameter INITVAL_0D = 320'h0;
  parameter INITVAL_0E = 320'h0;
  parameter INITVAL_0F = 320'h0;
  parameter INITVAL_10 = 320'h0;
  parameter INITVAL_11 = 320'h0;
  parameter INITVAL_12 = 320'h0;
  parameter INITVAL_13 = 320'h0;
  parameter INITVAL_14 = 320'h0;
  parameter INITVAL_15 = 320'h0;
  parameter INITVAL_16 = 320'h0;
  parameter INITVAL_17 = 320'h0;
  parameter INITVAL_18 = 320'h0;
  parameter INITVAL_19 = 320'h0;
  parameter INITVAL_1A = 320'h0;
  parameter INITVAL_1B = 320'h0;
  parameter INITVAL_1C = 320'h0;
  parameter INITVAL_1D = 320'h0;
  parameter INITVAL_1E = 320'h0;
  parameter INITVAL_1F = 320'h0;
  parameter INITVAL_20 = 320'h0;
  parameter INITVAL_21 = 320'h0;
  parameter INITVAL_22 = 320'h0;
  parameter INITVAL_23 = 320'h0;
  parameter INITVAL_24 = 320'h0;
  parameter INITVAL_25 = 320'h0;
  parameter INITVAL_26 = 320'h0;
  parameter INITVAL_27 = 320'h0;
  parameter INITVAL_28 = 320'h0;
  parameter INITVAL_29 = 320'h0;
  parameter INITVAL_2A = 320'h0;
  parameter INITVAL_2B = 320'h0;
  parameter INITVAL_2C = 320'h0;
  parameter INITVAL_2D = 320'h0;
  parameter INITVAL_2E = 320'h0;
  parameter INITVAL_2F = 320'h0;
  parameter INITVAL_30 = 320'h0;
  parameter INITVAL_31 = 320'h0;
  parameter INITVAL_32 = 320'h0;
  parameter INITVAL_33 = 320'h0;
  parameter INITVAL_34 = 320'h0;
  parameter INITVAL_35 = 320'h0;
  parameter INITVAL_36 = 320'h0;
  parameter INITVAL_37 = 320'h0;
  parameter INITVAL_38 = 320'h0;
  parameter INITVAL_39 = 320'h0;
  parameter INITVAL_3A = 320'h0;
  parameter INITVAL_3B = 320'h0;
  parameter INITVAL_3C = 320'h0;
  parameter INITVAL_3D = 320'h0;
  parameter INITVAL_3E = 320'h0;
  parameter INITVAL_3F = 320'h0;

  localparam [20479:0] INITIAL_CONTENT = {INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A,
      INITVAL_39, INITVAL_38, INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31,
      INITVAL_30, INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
      INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F,
      INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16,
      INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F, INITVAL_0E, INITVAL_0D,
      INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08, INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04,
      INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00};
  wire [13:0] address_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] address_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire [35:0] data = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3,
      DIB2, DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
      DIA3, DIA2, DIA1, DIA0};
  reg [17:0] out_a;
  reg [35:0] out_b;
  reg [17:0] out_a_q;
  reg [35:0] out_b_q;
  wire [17:0] given_a = REGMODE_A == "OUTREG" ? out_a_q : out_a;
  wire [35:0] given_b = REGMODE_B == "OUTREG" ? out_b_q : out_b;
  always @(posedge CLKA) if (OCEA) out_a_q <= out_a;
  always @(posedge CLKB) if (OCEB) out_b_q <= out_b;
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1,
      DOA0} = DATA_WIDTH_B == 36 ? given_b[17:0] : given_a;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1,
      DOB0} = DATA_WIDTH_B == 36 ? given_b[35:18] : given_b[17:0];

  reg [8:0] mem [0:2047];
  integer i;
  initial begin
    for (i = 0; i < 2048; i = i + 1) mem[i] = INITIAL_CONTENT[(i / 2) * 20 + (i % 2) * 9 +: 9];
    out_a = 0;
    out_b = 0;
  end

  // Units at an address, of which a width below 9 takes a part.
  wire [10:0] unit_a = address_a[13:3];
  wire [10:0] unit_b = address_b[13:3];
  wire [35:0] units_a = {18'b0, mem[unit_a | 11'd1], mem[DATA_WIDTH_A == 18 ? unit_a & ~11'd1 : unit_a]};
  wire [35:0] units_b = {mem[unit_b | 11'd3], mem[unit_b & ~11'd3 | 11'd2], mem[b_second], mem[b_first]};
  wire [10:0] b_first = DATA_WIDTH_B == 36 ? unit_b & ~11'd3 : DATA_WIDTH_B == 18 ? unit_b & ~11'd1 : unit_b;
  wire [10:0] b_second = DATA_WIDTH_B == 36 ? unit_b & ~11'd3 | 11'd1 : unit_b | 11'd1;

  function [35:0] narrowed;
    input integer width;
    input [13:0] address;
    input [35:0] units;
    case (width)
      4: narrowed = units[address[2] * 4 +: 4];
      2: narrowed = units[address[2:1] * 2 +: 2];
      1: narrowed = units[address[2:0] +: 1];
      default: narrowed = units;
    endcase
  endfunction

  // Which units port A writes, and what.
  wire [3:0] enables = address_a[3:0];
  wire [8:0] old = mem[unit_a];
  reg [8:0] merged;
  always @* begin
    merged = data[8:0];
    if (DATA_WIDTH_A < 9) merged = old;
    if (DATA_WIDTH_A == 4) merged[address_a[2] * 4 +: 4] = data[3:0];
    if (DATA_WIDTH_A == 2) merged[address_a[2:1] * 2 +: 2] = data[1:0];
    if (DATA_WIDTH_A == 1) merged[address_a[2:0] +: 1] = data[0];
  end

  always @(posedge CLKA) begin
    if (CEA && WEA) begin
      if (DATA_WIDTH_A == 36) begin
        if (enables[0]) mem[{unit_a[10:2], 2'd0}] <= data[8:0];
        if (enables[1]) mem[{unit_a[10:2], 2'd1}] <= data[17:9];
        if (enables[2]) mem[{unit_a[10:2], 2'd2}] <= data[26:18];
        if (enables[3]) mem[{unit_a[10:2], 2'd3}] <= data[35:27];
      end else if (DATA_WIDTH_A == 18) begin
        if (enables[0]) mem[{unit_a[10:1], 1'd0}] <= data[8:0];
        if (enables[1]) mem[{unit_a[10:1], 1'd1}] <= data[17:9];
      end else begin
        mem[unit_a] <= merged;
      end
    end
    if (CEA && !WEA) out_a <= narrowed(DATA_WIDTH_A, address_a, units_a);
    if (RSTA) out_a <= 0;
  end

  always @(posedge CLKB) begin
    if (CEB) out_b <= narrowed(DATA_WIDTH_B, address_b, units_b);
    if (RSTB) out_b <= 0;
  end
endmodule
