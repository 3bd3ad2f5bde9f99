import VarveFormat

/// What was measured, for people and for programs.
enum Report {
    static let heading = padded("benchmark", 66) + aligned("median", 10) + aligned("least", 10) + aligned("most", 10)
        + "  unit, samples"

    static func line(_ measurement: Measurement) -> String {
        padded(measurement.name, 66) + aligned(figure(measurement.median), 10)
            + aligned(figure(measurement.least), 10) + aligned(figure(measurement.most), 10)
            + "  \(measurement.unit.rawValue), \(measurement.values.count)"
    }

    static func json(_ measurements: [Measurement]) -> [UInt8] {
        let list = measurements.map { measurement in
            JSONValue.object([
                "name": .string(measurement.name), "unit": .string(measurement.unit.rawValue),
                "median": .number(measurement.median), "least": .number(measurement.least),
                "most": .number(measurement.most), "samples": .integer(Int64(measurement.values.count)),
            ])
        }
        return JSONValue.object(["benchmarks": .array(list)]).canonicalFile()
    }

    /// Three digits that mean something.
    private static func figure(_ value: Double) -> String {
        let places = value < 10 ? 2 : value < 100 ? 1 : 0
        let scale = [1, 10, 100][places]
        let rounded = Int((value * Double(scale)).rounded())
        guard places > 0 else { return "\(rounded)" }
        let rest = "\(rounded % scale)"
        return "\(rounded / scale)." + String(repeating: "0", count: places - rest.count) + rest
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private static func aligned(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(1, width - text.count)) + text
    }
}
