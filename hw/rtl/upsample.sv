// Nearest-neighbour upsampling by integers.
//
//   out[y, x, c] = in[y / FactorHeight, x / FactorWidth, c]
//
// A pixel is ceil(Channels/Lanes) beats. A ring of two rows in block RAM: one row is walked FactorHeight times,
// each of its pixels FactorWidth times, while the next one comes in. The first walk follows the input as it comes.
// Latency 3; one output beat a cycle: InHeight * FactorHeight * InWidth * FactorWidth * beats of a pixel a frame.
// `s_axis_tready` depends on registers alone.

`default_nettype none

module upsample #(
  parameter int unsigned InHeight     = 3,
  parameter int unsigned InWidth      = 4,
  parameter int unsigned Channels     = 5,
  parameter int unsigned Lanes        = 2,
  parameter int unsigned Bits         = 8,
  parameter int unsigned FactorHeight = 2,
  parameter int unsigned FactorWidth  = 2
) (
  input  logic                  clk,
  input  logic                  rst_n,

  input  logic [Lanes*Bits-1:0] s_axis_tdata,
  input  logic                  s_axis_tvalid,
  output logic                  s_axis_tready,
  input  logic                  s_axis_tlast,

  output logic [Lanes*Bits-1:0] m_axis_tdata,
  output logic                  m_axis_tvalid,
  input  logic                  m_axis_tready,
  output logic                  m_axis_tlast
);

  if (InHeight < 1 || InWidth < 1 || Channels < 1 || Lanes < 1 || Bits < 1) begin : gen_bad_size
    $error("upsample: InHeight, InWidth, Channels, Lanes and Bits must be at least 1");
  end
  if (FactorHeight < 1 || FactorWidth < 1) begin : gen_bad_factor
    $error("upsample: FactorHeight and FactorWidth must be at least 1");
  end

  localparam int unsigned PixelBeats  = (Channels + Lanes - 1) / Lanes;
  localparam int unsigned RowBeats    = InWidth * PixelBeats;
  localparam int unsigned Words       = 2 * RowBeats;
  localparam int unsigned AddressBits = $clog2(Words);
  localparam int unsigned CountBits   = $clog2(Words + 1);

  // The memory, and beside it the word being read. A word is read one cycle after its write at the earliest, and
  // written again one cycle after its last read: never both at once.
  (* no_rw_check *)
  logic [Lanes*Bits-1:0]  mem [Words];
  logic [Lanes*Bits-1:0]  word_q;
  logic                   word_valid_q, word_last_q;
  logic                   write, read, skid_ready;

  // Words that were never read, and words that may be written.
  logic [CountBits-1:0]   fresh_q, free_q;
  logic                   first_read, release_pixel;

  // Next word to write and to read, first word of the pixel being walked, half of the ring being walked.
  logic [AddressBits-1:0] write_q, read_q, pixel_q, read_next;
  logic                   half_q;

  // Ends of: the beats of a pixel, its repeats, the pixels of a row, the walks of a row, the frame.
  logic                   pixel_end, repeats_end, row_end, walks_end, frame_end, unused_row_end;
  logic                   first_repeat_q, first_walk_q;

  assign s_axis_tready = free_q != '0;
  assign write         = s_axis_tvalid && s_axis_tready;
  assign first_read    = first_repeat_q && first_walk_q;
  assign read          = (!word_valid_q || skid_ready) && (!first_read || fresh_q != '0);
  assign release_pixel = read && repeats_end && walks_end;

  beat_counter #(.Pixels(FactorWidth), .PixelBeats(PixelBeats)) u_repeat (
    .clk, .rst_n, .step(read), .pixel_last(pixel_end), .frame_last(repeats_end)
  );
  beat_counter #(.Pixels(1), .PixelBeats(InWidth)) u_row (
    .clk, .rst_n, .step(read && repeats_end), .pixel_last(row_end), .frame_last(unused_row_end)
  );
  beat_counter #(.Pixels(InHeight), .PixelBeats(FactorHeight)) u_walk (
    .clk, .rst_n, .step(read && repeats_end && row_end), .pixel_last(walks_end), .frame_last(frame_end)
  );

  always_comb begin
    if (pixel_end && !repeats_end)               read_next = pixel_q;
    else if (repeats_end && row_end && walks_end) read_next = half_q ? '0 : AddressBits'(RowBeats);
    else if (repeats_end && row_end)             read_next = half_q ? AddressBits'(RowBeats) : '0;
    else                                         read_next = read_q + AddressBits'(1);
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      write_q        <= '0;
      read_q         <= '0;
      pixel_q        <= '0;
      half_q         <= 1'b0;
      first_repeat_q <= 1'b1;
      first_walk_q   <= 1'b1;
      fresh_q        <= '0;
      free_q         <= CountBits'(Words);
      word_valid_q   <= 1'b0;
    end else begin
      if (write) write_q <= (write_q == AddressBits'(Words - 1)) ? '0 : write_q + AddressBits'(1);
      if (read) begin
        read_q <= read_next;
        if (pixel_end) first_repeat_q <= repeats_end;
        if (repeats_end) pixel_q <= read_next;
        if (repeats_end && row_end) begin
          first_walk_q <= walks_end;
          half_q       <= half_q ^ walks_end;
        end
      end
      fresh_q <= fresh_q + CountBits'(write) - CountBits'(read && first_read);
      free_q  <= free_q - CountBits'(write) + (release_pixel ? CountBits'(PixelBeats) : '0);
      if (read)            word_valid_q <= 1'b1;
      else if (skid_ready) word_valid_q <= 1'b0;
    end
  end

  always_ff @(posedge clk) begin
    if (write) mem[write_q] <= s_axis_tdata;
    if (read) begin
      word_q      <= mem[read_q];
      word_last_q <= repeats_end && row_end && frame_end;
    end
  end

  // Makes the ready that stalls the walk a register, and takes the memory's slow output into flip-flops.
  skid_buffer #(.Bits(Lanes * Bits)) u_skid (
    .clk, .rst_n,
    .s_axis_tdata(word_q), .s_axis_tvalid(word_valid_q), .s_axis_tready(skid_ready), .s_axis_tlast(word_last_q),
    .m_axis_tdata, .m_axis_tvalid, .m_axis_tready, .m_axis_tlast
  );

  logic unused_tlast;
  assign unused_tlast = s_axis_tlast;

`ifndef SYNTHESIS
  stream_assert #(.Bits(1), .Beats(InHeight * RowBeats)) u_assert_in (
    .clk, .rst_n, .tdata(1'b0), .tvalid(s_axis_tvalid), .tready(s_axis_tready), .tlast(s_axis_tlast)
  );
  stream_assert #(.Bits(Lanes * Bits), .Beats(InHeight * FactorHeight * FactorWidth * RowBeats)) u_assert_out (
    .clk, .rst_n, .tdata(m_axis_tdata), .tvalid(m_axis_tvalid), .tready(m_axis_tready), .tlast(m_axis_tlast)
  );
`endif

endmodule

`default_nettype wire
