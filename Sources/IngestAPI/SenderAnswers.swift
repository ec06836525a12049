import EventCore
import Hummingbird

extension SenderProfile {
    /// The answer to a sender whose event cannot be made durable in time: it has to keep the event.
    ///
    /// The SAP client takes any HTTP answer for success; only a connection that closes without one makes it try again.
    func answer(cannotStore problem: Problem, context: APIContext) async -> Response {
        switch self {
        case .privilegesWebhook:
            await context.closeConnection()
            // Nothing of this is sent: the connection is gone.
            return Response(status: problem.status)
        case .fluentBit, .generic:
            return problem.response(requestID: context.id)
        }
    }
}
