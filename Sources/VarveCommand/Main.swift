import CSys
import Glibc
import Varve

@main
enum Main {
    static func main() {
        Allocator.tune()
        // Secrets must not land in a core dump; where the kernel refuses, nothing is lost.
        _ = sys_forbid_dumps()
        sys_raise_file_limit()
        let runner = CommandRunner(environment: Environment(), signals: Signals())
        exit(runner.run(ArgumentBytes.commandLine()).code)
    }
}
