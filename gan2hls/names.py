"""Names in generated code: identifiers for layers, whatever these are called, and which names a design can have.

A layer's name becomes an identifier, from which instances, types, arrays and files are named in both languages. A
design's own name stays as it is, because users instantiate it: one that means something else in a language, in a header
or in gan2hls' own code is refused.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable

from gan2hls.resources import resource

MOST_LETTERS = 100
"""Letters of a layer's identifier: with the design's name, what it is used for and a temporary ending, a file's name
takes at most 255."""

MOST_TOP_LETTERS = 64
"""Letters of a design's name."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYSTEMVERILOG = _words(
    """
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind
    bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config
    const constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist
    do edge else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface
    endmodule endpackage endprimitive endprogram endproperty endspecify endsequence endtable endtask enum event
    eventually expect export extends extern final first_match for force foreach forever fork forkjoin function
    generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir
    include initial inout input inside instance int integer interconnect interface intersect join join_any join_none
    large let liblist library local localparam logic longint macromodule matches medium modport module nand negedge
    nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter pmos
    posedge primitive priority program property protected pull0 pull1 pulldown pullup pulsestyle_ondetect
    pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg reject_on release repeat
    restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared
    sequence shortint shortreal showcancelled signed small soft solve specify specparam static string strong strong0
    strong1 struct super supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
    timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union unique unique0
    unsigned until until_with untyped use uwire var vectored virtual void wait wait_order wand weak weak0 weak1 while
    wildcard wire with within wor xnor xor
    """
)
"""The keywords of IEEE 1800-2017."""

_CPP = _words(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class
    co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default
    delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long
    mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template this
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor
    xor_eq
    """
)
"""The keywords of C++20."""

_HEADERS = _words(
    """
    alloca assert_perror be16toh be32toh be64toh csim daylight errno fd_mask fd_set gan2hls getdate_err hls htobe16
    htobe32 htobe64 htole16 htole32 htole64 issubnormal le16toh le32toh le64toh linux main math_errhandling offsetof
    program_invocation_name program_invocation_short_name retval sched_priority signgam ssdm_int_sim std stderr stdin
    stdout strdupa strndupa timezone tzname uint ulong unix ushort va_list valtype
    """
)
"""Macros, types and variables of the C++ headers that the patterns below do not tell."""

_PATTERNS = {
    "is written like a macro of C++; use a name with small letters": r"[^a-z]*|[LMP]_.*|AESL_.*",
    "is written like a type of the C++ headers; use another": r".*_t|(?:af|ap|pthread)_.*",
    "is written like a port of the design; use another": r"[sm]_axis.*",
    "is written like an instance or a stream of the design; use another": r"(?:u|stream)_.*",
}


def identifier(name: str) -> str:
    """A layer's name in letters, digits and `_` of ASCII: accents are dropped, other letters become `x<code point>`."""
    letters = []
    for letter in unicodedata.normalize("NFKD", name):
        if letter.isascii():
            letters.append(letter if letter.isalnum() else "_")
        elif not unicodedata.combining(letter):
            letters.append(f"x{ord(letter):x}")
    return "".join(letters)[:MOST_LETTERS]


def unique_identifier(name: str, taken: set[str], parts: Iterable[str] = ()) -> str:
    """A C and SystemVerilog identifier for the layer `name`, which no other one is like.

    Args:
        name: of the layer.
        taken: what is taken already, in small letters, as some file systems do not tell large ones; gets what this
            one takes.
        parts: names of what the layer has: `<identifier>_<part>` is not taken either.
    """
    base = f"u_{identifier(name)}"
    candidate, count, parts = base, 1, list(parts)
    while taken & (used := {candidate.lower(), *(f"{candidate}_{part}".lower() for part in parts)}):
        count += 1
        candidate = f"{base}_{count}"
    taken |= used
    return candidate


def top_problem(name: str) -> str:
    """Why a design can not have this name, "" if it can."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z](?:_?[A-Za-z0-9])*", name):
        return f"name {name!r} is not accepted; use letters, digits and single _ between them, a letter first"
    if len(name) > MOST_TOP_LETTERS:
        return f"name {name[:20]}… of {len(name)} letters is not accepted; use {MOST_TOP_LETTERS} at most"
    if name in _CPP or name in _HEADERS:
        return f"name {name!r} has a meaning in C++ already; use another"
    if name in _SYSTEMVERILOG:
        return f"name {name!r} has a meaning in SystemVerilog already; use another"
    if name in _own_words():
        return f"name {name!r} has a meaning in the code that gan2hls writes; use another"
    for reason, pattern in _PATTERNS.items():
        if re.fullmatch(pattern, name):
            return f"name {name!r} {reason}"
    return ""


@functools.cache
def _own_words() -> frozenset[str]:
    """All words in the hand-written hardware and the templates of both languages, without comments and texts."""
    words: set[str] = set()
    for folder in (("hw", "hls"), ("hw", "rtl"), ("templates", "hls"), ("templates", "rtl")):
        for path in resource(*folder).rglob("*"):
            if path.suffix in (".h", ".sv", ".j2"):
                for line in path.read_text(encoding="utf-8").splitlines():
                    code = re.sub(r"{{.*?}}|{%.*?%}", " ", line).partition("//")[0]
                    words.update(re.findall(r"\w+", code if "#include" in code else re.sub(r'"[^"]*"', " ", code)))
    return frozenset(words)
