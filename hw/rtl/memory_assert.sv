// A memory's file holds what it should, or the simulation ends: no such module exists where SYNTHESIS is defined.
//
// $readmemh leaves what a file lacks as it is, and a simulator warns of a missing one at most. Here a file has Depth
// lines, each a word of Bits in as many hexadecimal digits as that takes, and nothing else: a file that is cut anywhere
// is noticed.

`ifndef SYNTHESIS
`default_nettype none

module memory_assert #(
  parameter int unsigned Depth = 16,
  parameter int unsigned Bits  = 8,
  parameter              File  = ""  // "": there is none
);
  localparam int unsigned Digits = (Bits + 3) / 4;

  if (File != "") begin : gen_file
    initial begin : check
      int file, words, length;
      string line;
      file = $fopen(File, "r");
      if (file == 0) $fatal(1, "%m: memory file %s is missing", File);
      words = 0;
      while ($fgets(line, file) != 0) begin
        words++;
        length = line.len();
        while (length > 0 && line.getc(length - 1) <= " ") length--;  // the end of the line
        if (length != Digits) begin
          $fatal(1, "%m: memory file %s: word %0d has %0d digits instead of %0d", File, words, length, Digits);
        end
      end
      $fclose(file);
      if (words != Depth) $fatal(1, "%m: memory file %s has %0d words instead of %0d", File, words, Depth);
    end
  end
endmodule

`default_nettype wire
`endif
