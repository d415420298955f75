// Position in a frame of Pixels pixels of PixelBeats beats: says whether the beat of this cycle is the last of
// its pixel and of its frame, from registers. Moves on by one beat where `step` is high.

`default_nettype none

module beat_counter #(
  parameter int unsigned Pixels     = 4,
  parameter int unsigned PixelBeats = 3
) (
  input  logic clk,
  input  logic rst_n,
  input  logic step,
  output logic pixel_last,
  output logic frame_last
);

  if (Pixels < 1 || PixelBeats < 1) begin : gen_bad_size
    $error("beat_counter: Pixels and PixelBeats must be at least 1");
  end

  if (PixelBeats == 1) begin : gen_one_beat
    assign pixel_last = 1'b1;
  end else begin : gen_beats
    localparam int unsigned BeatBits = $clog2(PixelBeats);
    logic [BeatBits-1:0] beat_q;
    logic                last_q;

    assign pixel_last = last_q;

    always_ff @(posedge clk) begin
      if (!rst_n) begin
        beat_q <= '0;
        last_q <= 1'b0;
      end else if (step) begin
        beat_q <= last_q ? '0 : beat_q + BeatBits'(1);
        last_q <= !last_q && beat_q == BeatBits'(PixelBeats - 2);
      end
    end
  end

  if (Pixels == 1) begin : gen_one_pixel
    assign frame_last = pixel_last;
  end else begin : gen_pixels
    localparam int unsigned PixelBits = $clog2(Pixels);
    logic [PixelBits-1:0] pixel_q;
    logic                 last_q;

    assign frame_last = pixel_last && last_q;

    always_ff @(posedge clk) begin
      if (!rst_n) begin
        pixel_q <= '0;
        last_q  <= 1'b0;
      end else if (step && pixel_last) begin
        pixel_q <= last_q ? '0 : pixel_q + PixelBits'(1);
        last_q  <= !last_q && pixel_q == PixelBits'(Pixels - 2);
      end
    end
  end

  if (Pixels == 1 && PixelBeats == 1) begin : gen_unused
    logic unused_inputs;
    assign unused_inputs = ^{clk, rst_n, step};
  end

endmodule

`default_nettype wire
