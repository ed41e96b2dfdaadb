"""Shell commands made by hypothesis: mostly valid, mostly odd, and the same each time they run.

So nothing in them depends on time, on process ids or on the folder's name, and no two processes of
one command write to the terminal at once.
"""

from __future__ import annotations

import shlex

from hypothesis import strategies as st

Text = st.SearchStrategy[str]

# What has broken one tool or another: quotes, expansions, line ends, text in the other direction,
# combined characters, bars that move, colours, and what looks like a marker of ours.
_ODD = (
    *("'", '"', "\\", "`", "$", "!", "#", "%", "&", ";", "|", "*", "?", "[a", "{a,b}", "~", "--"),
    *("\n", "\r\n", "\t", "\r", " ", "  ", "\n\n", "\\n", "\\0101", "\\c", "%s", "%n", "%%"),
    *("$HOME", "${", "$(", "`id`", "$((", "'\\''", "EOF", "-n", "-e", "=", "'\"'\"'"),
    *(
        "é",
        "e\u0301",
        "ß",
        "世界",
        "👩‍👩‍👧",
        "🇩🇪",
        "שלום\u200f",
        "\u202eabc\u202c",
        "\ufeff",
        "\u2028",
        "\x85",
    ),
    *("\x01", "\x07\x08", "\x0b\x0c", "\x1b[31mred\x1b[0m", "10%\r20%\r100%\n", "\x7f", "\u0378"),
    *("[mycli 0123456789ab] begin\n", "[mycli 67a1a8f4a3b4] exit code 0.\n", "mycli: cloned:"),
)
_any_character = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
odd_text = st.lists(
    st.one_of(st.sampled_from(_ODD), st.text(_any_character, max_size=4)), max_size=5
).map("".join)
"""Any text that a shell can be given: all but NUL and half surrogates."""

_plain = st.sampled_from(["a", "b", "abc", "x=1", "7", "-", "a.b", "/", "."])
_dollars = st.sampled_from(
    [
        *("$A", "$B", "$UNSET", "${A}b", "${UNSET-default}", "${A:+set}", "${#A}", "${A%?}"),
        *("${B##*b}", "${UNSET:=now}", "$#", "$*", "$@", "$?", "$-", "$(echo sub)", "`echo old`"),
        *("$((1 + 2 * 3))", "$((A))", "$(printf 'a\\n\\n')", "$(exit 3)", "${UNSET:?is unset}"),
        *("$(cat <<IN\nin $A\nIN\n)", "$(cat)", '${A:-$(echo "it\'s")}', "$0"),
    ]
)
_word: Text = st.one_of(
    odd_text.map(shlex.quote),
    _plain,
    _dollars,
    _dollars.map(lambda text: f'"{text}"'),
    st.sampled_from(
        ["*", "?", "[ab]*", "no-match-*", "{a,b}", "\\*", '"*"', "a\\\nb", "''", "$'a'"]
    ),
    odd_text.map(lambda text: "".join(f"\\{char}" for char in text if char != "\n") or "''"),
)
_words = st.lists(_word, min_size=1, max_size=3).map(" ".join)
_code = st.one_of(
    st.sampled_from([0, 1, 2, 124, 125, 126, 127, 128, 137, 255]), st.integers(0, 255)
)


@st.composite
def _heredoc(draw: st.DrawFn) -> str:
    body = draw(odd_text)
    end = draw(st.sampled_from(["EOF", "'EOF'", "'E F'", "-EOF", "-'EOF'"]))
    if "'" not in end:  # then it is expanded: let that be harmless
        body = body.replace("`", "").replace("$", "") + "$A $((1 + 1)) $HOME"
    name = end.removeprefix("-").strip("'")
    tab = "\t" if end.startswith("-") else ""
    return f"cat <<{end}\n{tab}{body}\n{tab}{name}\n"


_simple: Text = st.one_of(
    _words.map(lambda words: f"printf '%s\\n' {words}"),
    _words.map(lambda words: f"printf '<%s>' {words}"),
    _words.map(lambda words: f"echo {words}"),
    _words.map(lambda words: f"echo {words} >&2"),
    _word.map(lambda word: f"A={word}"),
    _word.map(lambda word: f"B={word} sh -c 'echo \"$B\"'"),
    _word.map(lambda word: f"export A={word}"),
    _words.map(lambda words: f"set -- {words}"),
    _words.map(lambda words: f"touch -- {words} 2>&1"),
    _words.map(lambda words: f"[ {words} ]"),
    _code.map(lambda code: f"(exit {code})"),
    _code.map(lambda code: f"sh -c 'exit {code}'"),
    _heredoc(),
    st.sampled_from(
        [
            *("true", "false", ":", "unset A", "set -e", "set -u", "set -f", "set +e", "shift"),
            *("cat", 'read x; echo "[$x] $?"', "wc -c", "cat <&-", "cat /nowhere", "echo *", "ls"),
            *("no-such-program 'a b'", "./a", "cd /nowhere", "mkdir -p d && cd d", "umask"),
            *(
                "printf no-newline",
                "echo; echo; echo",
                "printf '\\n\\n'",
                "printf 'a\\r\\nb\\r\\n'",
            ),
            *("printf '10%%\\r20%%\\r'", "printf '\\033[1mbold\\033[0m\\n'", "printf 'x\\377y\\n'"),
            *("exec 3>&1; echo three >&3", "echo four >&4", "echo nine >&9", "echo closed >&-"),
            *("exec 2>&1", "exec 2>/dev/null", "exec 2>&-", "exec >&-", "exec <&-", "trap"),
            *("trap 'echo bye $?' EXIT", "trap - EXIT"),
            *("trap '' TERM", "set -C"),
            *('f() { echo f "$@"; return 4; }', "f 1 '2 3'", "readonly A", "A=2; B=3", "alias"),
            *("head -c 70000 /dev/zero | tr '\\0' x", "seq 300", "getopts ab opt -a; echo $opt"),
            *('echo "$-"', "command -v printf sh", "type cd", "wait 99999999", "return 3", "break"),
            *("( echo in; exit 9 ) & wait $!", "( echo in ) & wait", "echo \\", "# a comment"),
            *("eval 'echo \"$A\"; false'", ". ./nowhere", "test -t 0 || echo none", "echo $LINENO"),
        ]
    ),
)


def _compound(inner: Text) -> Text:
    two = st.tuples(inner, inner)
    return st.one_of(
        two.map("\n".join),
        two.map("; ".join),
        two.map("\r\n".join),
        two.map(lambda both: f"{both[0]}\n{both[1]} && echo and"),
        two.map(lambda both: f"if {both[0]}\nthen {both[1]}\nelse echo other\nfi"),
        two.map(lambda both: f"{{ {both[0]}\n}} || {{ {both[1]}\n}}"),
        two.map(lambda both: f"f() {{\n{both[0]}\n}}\nf 1 2\n{both[1]}"),
        inner.map(lambda one: f"( {one}\n)"),
        inner.map(lambda one: f"! {{ {one}\n}}"),
        inner.map(lambda one: f"for i in 1 'b c' $A; do\necho \"$i\"\n{one}\ndone"),
        inner.map(
            lambda one: f"printf 'r\\ns' | while IFS= read -r l; do echo \"$l\"; {one}\ndone"
        ),
        inner.map(lambda one: f'case "$A" in "" | [0-9]*) {one}\n;; *) echo any;; esac'),
        inner.map(lambda one: f"{{ {one}\n}} 2>&1 | cat"),
        inner.map(lambda one: f'x=$( {one}\n)\necho "$? [$x]"'),
        inner.map(lambda one: f"eval {shlex.quote(one)}"),
        inner.map(lambda one: f"sh -c {shlex.quote(one)}"),
        inner.map(lambda one: f"sh -c {shlex.quote(one)} <<'OUTER'\nto $A\nOUTER\n"),
    )


# What ends a command, whatever came before.
_last: Text = st.one_of(
    st.just(""),
    _code.map(lambda code: f"exit {code}"),
    _code.map(lambda code: f"exec sh -c 'echo last; exit {code}'"),
    st.sampled_from(
        [
            *("exit", "exit 256", "exit -1", "exit abc", "kill -TERM $$", "kill -KILL $$"),
            *("kill -SEGV $$", "kill -ABRT $$", "kill -TERM 0", "exec printf end", "exec /nowhere"),
            *(
                "if",
                ")",
                "done",
                "'open",
                '"open',
                "echo $(",
                "echo ${A",
                ";;",
                "&& x",
                "cat <<EOF",
            ),
            *("sh -c 'kill -KILL $$'; exit $?", "set -e; false; echo no", "set -u; echo $NO; echo"),
            *("trap 'echo heard' TERM; kill -TERM $$", "trap 'echo int; exit 9' INT; kill -INT $$"),
            *("printf end", "head -c 300000 /dev/zero | tr '\\0' y; echo", "exec >&-; echo no"),
        ]
    ),
)

_body: Text = st.recursive(_simple, _compound, max_leaves=5)
_traced: Text = st.lists(
    st.one_of(_words.map(lambda words: f"echo {words}"), _word.map(lambda word: f"A={word}")),
    min_size=1,
    max_size=3,
).map(lambda lines: "\n".join(["set -x", *lines, "{ set +x; } 2>/dev/null"]))

commands: Text = (
    st.tuples(
        st.sampled_from(["", "A=set B='a b'\n", "set -e\n", "set -eu\n", "\n\n", "\r\n", "\t "]),
        st.one_of(_body, _body, _body, _traced),
        st.sampled_from(["\n", "\n", "; ", "\r\n"]),
        _last,
    )
    .map("".join)
    .filter(str.strip)
)
"""A shell command of up to some thousand characters."""


argvs = st.lists(
    st.one_of(odd_text, st.sampled_from(["", "-", "--", "-n", "--follow", "-rf", "a b", " "])),
    min_size=1,
    max_size=6,
)
"""Arguments for a program."""
