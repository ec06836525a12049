import Foundation

/// What an address answers, or why it does not.
enum ServerAnswer {
    case answered(status: Int, body: Data)
    case refused
    case silent
    case failed(String)
}
