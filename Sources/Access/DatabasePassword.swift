/// Passwords of logins that are made for people.
package enum DatabasePassword {
    /// A new one from the system's random source: 30 base62 characters are 178 bits. A double click selects all of it, and no URL needs
    /// an escape for it.
    package static func generate() -> String {
        String(decoding: Base62.random(count: 30), as: UTF8.self)
    }
}
