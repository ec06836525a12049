import TestSupport
import Testing

@testable import EventCore

/// Nicolas Seriot's JSONTestSuite, whole.
@Suite struct JSONSuiteTests {
    /// RFC 8259 leaves keys that come twice to us. We refuse them.
    private static let duplicateKeys = ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"]
    /// JSON that PostgreSQL cannot store.
    private static let nulCharacters = ["y_object_escaped_null_in_key.json", "y_string_null_escape.json"]

    /// What the RFC leaves open, decided: nil is accepted.
    private static let decisions: [String: JSONError.Code?] = [
        "i_number_double_huge_neg_exp.json": nil,
        "i_number_huge_exp.json": .numberOutOfRange,
        "i_number_neg_int_huge_exp.json": .numberOutOfRange,
        "i_number_pos_double_huge_exp.json": .numberOutOfRange,
        "i_number_real_neg_overflow.json": .numberOutOfRange,
        "i_number_real_pos_overflow.json": .numberOutOfRange,
        "i_number_real_underflow.json": .numberOutOfRange,
        "i_number_too_big_neg_int.json": nil,
        "i_number_too_big_pos_int.json": nil,
        "i_number_very_big_negative_int.json": nil,
        "i_object_key_lone_2nd_surrogate.json": .loneSurrogate,
        "i_string_1st_surrogate_but_2nd_missing.json": .loneSurrogate,
        "i_string_1st_valid_surrogate_2nd_invalid.json": .loneSurrogate,
        "i_string_UTF-16LE_with_BOM.json": .unexpectedByte,
        "i_string_UTF-8_invalid_sequence.json": .invalidUTF8,
        "i_string_UTF8_surrogate_U+D800.json": .invalidUTF8,
        "i_string_incomplete_surrogate_and_escape_valid.json": .loneSurrogate,
        "i_string_incomplete_surrogate_pair.json": .loneSurrogate,
        "i_string_incomplete_surrogates_escape_valid.json": .loneSurrogate,
        "i_string_invalid_lonely_surrogate.json": .loneSurrogate,
        "i_string_invalid_surrogate.json": .loneSurrogate,
        "i_string_invalid_utf-8.json": .invalidUTF8,
        "i_string_inverted_surrogates_U+1D11E.json": .loneSurrogate,
        "i_string_iso_latin_1.json": .invalidUTF8,
        "i_string_lone_second_surrogate.json": .loneSurrogate,
        "i_string_lone_utf8_continuation_byte.json": .invalidUTF8,
        "i_string_not_in_unicode_range.json": .invalidUTF8,
        "i_string_overlong_sequence_2_bytes.json": .invalidUTF8,
        "i_string_overlong_sequence_6_bytes.json": .invalidUTF8,
        "i_string_overlong_sequence_6_bytes_null.json": .invalidUTF8,
        "i_string_truncated-utf-8.json": .invalidUTF8,
        "i_string_utf16BE_no_BOM.json": .unexpectedByte,
        "i_string_utf16LE_no_BOM.json": .unexpectedByte,
        "i_structure_500_nested_arrays.json": .tooDeep,
        "i_structure_UTF-8_BOM_empty_object.json": .byteOrderMark,
    ]

    @Test func decidesEveryFileOfTheSuite() throws {
        guard let files = try SharedFiles.folder("corpora/JSONTestSuite") else { return }
        var seen = 0
        for (name, bytes) in files where name.hasSuffix(".json") {
            seen += 1
            let code = JSONTape.error(bytes)?.code
            switch name.prefix(2) {
            case "y_":
                let expected: JSONError.Code? =
                    Self.duplicateKeys.contains(name) ? .duplicateKey : Self.nulCharacters.contains(name) ? .nulCharacter : nil
                #expect(code == expected, "\(name)")
            case "n_":
                #expect(JSONTape.error(bytes)?.isMalformed == true, "\(name)")
            default:
                let place = try #require(Self.decisions.index(forKey: name), "\(name) is not decided")
                #expect(code == Self.decisions[place].value, "\(name)")
            }
        }
        #expect(seen >= 318)
    }

    @Test func theReaderTakesWhatIsJSONAndNothingElse() throws {
        guard let files = try SharedFiles.folder("corpora/JSONTestSuite") else { return }
        for (name, bytes) in files where name.hasSuffix(".json") {
            let reading = try Reading(bytes)
            switch name.prefix(2) {
            case "y_": #expect(reading.failure == nil, "\(name)")
            case "n_": #expect(reading.failure != nil || !reading.rejections.isEmpty, "\(name)")
            default: break
            }
        }
    }
}
