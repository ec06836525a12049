import CLibPQ

extension ConnectionConfiguration {
    /// The variables by which PostgreSQL's own programs connect as we do: the password is in the child's environment, which only its user can
    /// read, and never among its arguments. What has no variable (keepalives and the like) is left out.
    package var childEnvironment: [String: String] {
        guard let defaults = PQconndefaults() else { return [:] }
        defer { PQconninfoFree(defaults) }
        var variables: [String: String] = [:]
        var option = defaults
        while let keyword = option.pointee.keyword {
            if let variable = option.pointee.envvar { variables[String(cString: keyword)] = String(cString: variable) }
            option += 1
        }
        return parameters.reduce(into: [:]) { result, parameter in
            if let variable = variables[parameter.keyword] { result[variable] = parameter.value }
        }
    }

    /// The same, to another database of the same server.
    package func onDatabase(_ name: String) -> ConnectionConfiguration {
        ConnectionConfiguration(copying: self, parameters: parameters + [("dbname", name)])
    }

    private init(copying other: ConnectionConfiguration, parameters: [(keyword: String, value: String)]) {
        self.parameters = parameters
        statementNames = other.statementNames
        serverStatementTimeout = other.serverStatementTimeout
        grace = other.grace
    }
}
