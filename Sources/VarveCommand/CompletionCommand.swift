import ArgumentParser
import Varve

struct CompletionCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "completion", abstract: "Print a completion script for a shell.",
        discussion: """
            Examples:
              varve completion bash > ~/.local/share/bash-completion/completions/varve
              varve completion zsh > ~/.zfunc/_varve
              varve completion fish > ~/.config/fish/completions/varve.fish
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish

        var completionShell: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @Argument(help: ArgumentHelp("bash, zsh or fish.", valueName: "shell")) var shell: Shell
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        context.output.line(RootCommand.completionScript(for: shell.completionShell))
        return .ok
    }
}
