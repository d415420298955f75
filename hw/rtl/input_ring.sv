// Ring memory that keeps the inputs of a convolution while its window needs them.
//
// Words are written one after the other, modulo RingWords; a finished pixel frees the oldest ones. Filling goes on while pixels
// are computed, also with words of the next frame. Read data come 2 enabled cycles after the address.
`default_nettype none

module input_ring #(
  parameter int Bits       = 8,
  parameter int RingWords  = 8,
  parameter int FrameWords = 4,
  localparam int RingBits  = $clog2(RingWords + 1),
  localparam int WordBits  = $clog2(FrameWords + 1),
  localparam int CountBits = $clog2(2 * FrameWords + RingWords + 1) + 1
) (
  input  logic                 clk,
  input  logic                 rst_n,

  input  logic [Bits-1:0]      s_axis_tdata,
  input  logic                 s_axis_tvalid,
  output logic                 s_axis_tready,

  // Words that have arrived, counted from the current frame's first; below 0 while words that nobody reads are missing.
  output logic signed [CountBits-1:0] written,
  input  logic                 frame_starts,   // `written` moves on to the next frame
  input  logic                 release_valid,
  input  logic [WordBits-1:0]  release_words,

  input  logic                 read_enable,
  input  logic [RingBits-1:0]  read_addr,
  output logic [Bits-1:0]      read_data
);
  localparam int IndexBits = (RingWords > 1) ? $clog2(RingWords) : 1;

  logic [Bits-1:0] mem [0:RingWords-1];
  logic [Bits-1:0] read_q;
  logic [IndexBits-1:0] write_q;
  // Both may be below 0: words that nobody reads are freed without waiting for them.
  logic signed [CountBits-1:0] written_q, held_q;
  logic write;

  assign s_axis_tready = held_q != CountBits'(RingWords);
  assign write = s_axis_tvalid && s_axis_tready;
  assign written = written_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      write_q   <= '0;
      written_q <= '0;
      held_q    <= '0;
    end else begin
      if (write) write_q <= (int'(write_q) == RingWords - 1) ? '0 : write_q + IndexBits'(1);
      written_q <= written_q + CountBits'(write) - (frame_starts ? CountBits'(FrameWords) : '0);
      held_q    <= held_q + CountBits'(write) - (release_valid ? CountBits'(release_words) : '0);
    end
  end

  always_ff @(posedge clk) begin
    if (write) mem[write_q] <= s_axis_tdata;
    if (read_enable) begin
      read_q    <= mem[read_addr[IndexBits-1:0]];
      read_data <= read_q;
    end
  end

  if (RingBits > IndexBits) begin : gen_unused
    logic unused;
    assign unused = ^read_addr[RingBits-1:IndexBits];
  end
endmodule

`default_nettype wire
