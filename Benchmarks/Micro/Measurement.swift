/// What one benchmark measured: a value for each sample, in the unit that people compare.
struct Measurement {
    enum Unit: String {
        case gigabytesPerSecond = "GB/s"
        case nanoseconds = "ns"
        case milliseconds = "ms"
    }

    let name: String
    let unit: Unit
    /// Ascending.
    let values: [Double]

    init(_ name: String, _ unit: Unit, _ values: [Double]) {
        self.name = name
        self.unit = unit
        self.values = values.sorted()
    }

    var median: Double {
        let middle = values.count / 2
        return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
    }
    var least: Double { values.first ?? 0 }
    var most: Double { values.last ?? 0 }
}

/// Runs benchmarks on one thread and keeps what they measured.
struct Bench {
    private(set) var measurements: [Measurement] = []
    /// At least so long, and so often, is one thing measured.
    let duration: Duration
    let leastSamples: Int
    /// Called with each measurement as it is made.
    let report: (Measurement) -> Void

    /// How fast `work` gets through `bytes` bytes.
    mutating func throughput(_ name: String, bytes: Int, _ work: () throws -> Void) rethrows {
        let seconds = try sample(work)
        add(Measurement(name, .gigabytesPerSecond, seconds.map { Double(bytes) / $0 / 1e9 }))
    }

    /// How long each of the `count` operations of `work` takes.
    mutating func latency(_ name: String, count: Int, _ work: () throws -> Void) rethrows {
        let seconds = try sample(work)
        add(Measurement(name, .nanoseconds, seconds.map { $0 * 1e9 / Double(count) }))
    }

    /// How long `work` takes, which is too long to be repeated more than twice.
    ///
    /// - Parameter prepare: what each repetition needs before, not measured.
    mutating func few(_ name: String, prepare: () throws -> Void = {}, _ work: () throws -> Void) rethrows {
        var seconds: [Double] = []
        for _ in 0..<3 {
            try prepare()
            seconds.append(try Self.seconds(work))
        }
        add(Measurement(name, .milliseconds, seconds.map { $0 * 1e3 }))
    }

    mutating func add(_ measurement: Measurement) {
        measurements.append(measurement)
        report(measurement)
    }

    private func sample(_ work: () throws -> Void) rethrows -> [Double] {
        try work()
        var seconds: [Double] = []
        let start = ContinuousClock.now
        while seconds.count < leastSamples || ContinuousClock.now - start < duration {
            seconds.append(try Self.seconds(work))
        }
        return seconds
    }

    static func seconds(_ work: () throws -> Void) rethrows -> Double {
        let elapsed = try ContinuousClock().measure(work)
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
    }
}
