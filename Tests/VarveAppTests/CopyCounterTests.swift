import Testing
import VarveApp

struct CopyCounterTests {
    /// What pg_dump 15 writes, with everything in it that looks like something else.
    private static let dump = #"""
        --
        -- PostgreSQL database dump
        --

        \restrict abc'def

        SET standard_conforming_strings = on;

        CREATE FUNCTION public.f() RETURNS text
            LANGUAGE sql
            AS $_$ SELECT '
        COPY public.fake (a) FROM stdin;
        $1 $$ $__$
        \.
        ' $_$;

        CREATE FUNCTION public.g(a integer) RETURNS integer
            LANGUAGE sql
            BEGIN ATOMIC
         SELECT 1;
         SELECT g.a;
        END;

        COMMENT ON TABLE public.a IS 'it''s
        COPY public.fake (a) FROM stdin;
        ';
        COMMENT ON TABLE public.a IS E'\'
        COPY public.fake (a) FROM stdin;
        \\';
        /* /* COPY public.fake (a) FROM stdin; */
        COPY public.fake (a) FROM stdin;
        */

        --
        -- Data for Name: a; Type: TABLE DATA; Schema: public; Owner: x
        --

        COPY public.a (id, "FROM stdin;", c) FROM stdin;
        1	\N	x
        2	\\.	COPY public.fake (a) FROM stdin;

        \.x
        .
        \.


        COPY "odd
        name".";""x" ("a
        b") FROM stdin;
        '
        \.


        COPY public.empty (a) FROM stdin;
        \.


        COPY public.nothing  FROM stdin;


        \.

        SELECT pg_catalog.setval('public.s', 42, true);
        COPY public.fake TO stdout;

        \unrestrict abc'def
        """# + "\n"

    private static let expected: [String: Int64] = [
        "public.a": 5, "\"odd\nname\".\";\"\"x\"": 1, "public.empty": 0, "public.nothing": 2,
    ]

    private func count(_ pieces: [ArraySlice<UInt8>]) -> CopyCounter {
        var counter = CopyCounter()
        for piece in pieces { piece.withUnsafeBytes { counter.feed($0) } }
        return counter
    }

    private func names(_ counter: CopyCounter) -> [String: Int64] {
        Dictionary(uniqueKeysWithValues: counter.rows.map { (String(decoding: $0.key, as: UTF8.self), $0.value) })
    }

    @Test("Rows are counted by table, and what only looks like a table is not")
    func whole() {
        let counter = count([Array(Self.dump.utf8)[...]])
        #expect(names(counter) == Self.expected)
        #expect(counter.isAtEnd)
    }

    @Test("It makes no difference where a dump is cut in two, or how small the pieces are")
    func pieces() {
        let bytes = Array(Self.dump.utf8)
        for cut in 0...bytes.count {
            let counter = count([bytes[..<cut], bytes[cut...]])
            #expect(names(counter) == Self.expected, "cut at \(cut)")
        }
        for size in [1, 2, 3, 7] {
            let pieces = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
            #expect(names(count(pieces)) == Self.expected, "pieces of \(size)")
        }
    }

    @Test("A dump that ends inside of a table, a string or a statement is not at its end")
    func truncated() {
        for text in [
            "COPY public.a (b) FROM stdin;\n1\n", "COPY public.a (b) FROM stdin;\n1\n\\", "SELECT 'x", "SELECT 1",
            "SELECT $$ x;", "/* x", "CREATE TABLE \"x",
        ] {
            #expect(!count([Array(text.utf8)[...]]).isAtEnd, "\(text)")
        }
        for text in ["", "SELECT 1;\n", "-- x", "COPY public.a (b) FROM stdin;\n1\n\\.\n"] {
            #expect(count([Array(text.utf8)[...]]).isAtEnd, "\(text)")
        }
    }

    @Test("Backslashes in strings count where the dump says that strings are not standard")
    func escapes() {
        let text = #"SET standard_conforming_strings = off;"# + "\n"
            + #"SELECT '\'"# + "\nCOPY fake FROM stdin;\n';\nCOPY a.b FROM stdin;\n1\n\\.\n"
        #expect(names(count([Array(text.utf8)[...]])) == ["a.b": 1])
    }

    @Test("Tables of the same name in one dump are added up")
    func twice() {
        let text = "COPY a.b FROM stdin;\n1\n\\.\nCOPY a.b FROM stdin;\n1\n2\n\\.\n"
        #expect(names(count([Array(text.utf8)[...]])) == ["a.b": 3])
    }
}
