import CLibPQ

extension Bindings {
    /// The arrays libpq wants, valid during the call.
    struct Arguments {
        var count: Int32 = 0
        var types: UnsafePointer<Oid>?
        var values: UnsafePointer<UnsafePointer<CChar>?>?
        var lengths: UnsafePointer<Int32>?
        var formats: UnsafePointer<Int32>?
    }

    /// The most parameters a message can hold (a 16-bit count).
    private static let maximumCount = 65_535

    /// Calls libpq with the parameters; false is libpq's refusal.
    func send(_ call: (Arguments) -> Int32) throws(PostgresError) -> Bool {
        guard parameters.count <= Self.maximumCount else { throw PostgresError(.encoding, "too many parameters") }
        guard bytes.count <= Int(Int32.max) else { throw PostgresError(.encoding, "the parameters are over 2 GiB") }
        guard !parameters.isEmpty else { return call(Arguments()) == 1 }
        let lengths = parameters.map { Int32($0.length) }
        let formats = [Int32](repeating: 1, count: parameters.count)
        return types.withUnsafeBufferPointer { types in
            lengths.withUnsafeBufferPointer { lengths in
                formats.withUnsafeBufferPointer { formats in
                    withValues { values in
                        call(
                            Arguments(
                                count: Int32(parameters.count),
                                types: types.baseAddress,
                                values: values,
                                lengths: lengths.baseAddress,
                                formats: formats.baseAddress
                            )
                        ) == 1
                    }
                }
            }
        }
    }

    private func withValues(_ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Bool) -> Bool {
        bytes.withUnsafeBytes { bytes in
            withUnsafeTemporaryAllocation(of: UnsafePointer<CChar>?.self, capacity: parameters.count) { values in
                // To libpq a null pointer is NULL, so an empty value with no buffer behind it points anywhere else.
                let somewhere = bytes.baseAddress ?? UnsafeRawPointer(values.baseAddress)
                for (index, parameter) in parameters.enumerated() {
                    let start = parameter.length < 0 ? nil : somewhere?.advanced(by: parameter.offset)
                    values.initializeElement(at: index, to: start?.assumingMemoryBound(to: CChar.self))
                }
                return body(values.baseAddress)
            }
        }
    }
}
