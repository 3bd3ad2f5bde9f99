#!/usr/bin/env python3
"""on_terminal.py [EXPECT SEND]... -- COMMAND...: runs a command on a terminal of its own.

Types each SEND (with \\n, \\x03 and the like) once EXPECT was shown after the one before. Shows what the terminal
shows, and ends with the status of the command, or 128 and the signal that ended it; 99 if it hangs for a minute.
"""
import os
import pty
import select
import sys

split = sys.argv.index("--")
script, command = sys.argv[1:split], sys.argv[split + 1 :]
answers = [
    (expect.encode(), send.encode().decode("unicode_escape").encode())
    for expect, send in zip(script[::2], script[1::2])
]
child, master = pty.fork()
if child == 0:
    os.execvp(command[0], command)
shown = b""
while True:
    if not select.select([master], [], [], 60)[0]:
        os.kill(child, 9)
        sys.exit(99)
    try:
        part = os.read(master, 4096)
    except OSError:
        break
    if not part:
        break
    os.write(1, part)
    shown += part
    while answers and answers[0][0] in shown:
        expect, send = answers.pop(0)
        shown = shown[shown.index(expect) + len(expect) :]
        os.write(master, send)
status = os.waitpid(child, 0)[1]
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
