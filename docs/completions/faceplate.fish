# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_faceplate_global_optspecs
    string join \n check print-settings origin settings= set= listen= models= workers= log= h/help V/version
end

function __fish_faceplate_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_faceplate_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_faceplate_using_subcommand
    set -l cmd (__fish_faceplate_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c faceplate -n "__fish_faceplate_needs_command" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_needs_command" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_needs_command" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_needs_command" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_needs_command" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_needs_command" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_needs_command" -l check -d 'Check settings, models and surroundings, and stop'
complete -c faceplate -n "__fish_faceplate_needs_command" -l print-settings -d 'Print the settings in force and stop'
complete -c faceplate -n "__fish_faceplate_needs_command" -l origin -d 'With each setting, print where its value comes from'
complete -c faceplate -n "__fish_faceplate_needs_command" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_needs_command" -s V -l version -d 'Print version'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "serve" -d 'Answer requests (the default)'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "doctor" -d 'Check models, processor, settings and surroundings, and report'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "healthcheck" -d 'Ask the running service whether it is healthy; fail if it is not'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "cameras" -d 'List the cameras and what they can do'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "bench" -d 'Measure the processor time of each step'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "template" -d 'Show templates, or join those of one person'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "calibrate" -d 'Fit the score curve to an installation site, or screen light to a kiosk'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "token" -d 'Make, list and revoke access tokens'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "people" -d 'Enroll people at the running service, identify them, and move them'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "door" -d 'Show, open or switch the door of the running service, or shut its lock without one'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "key" -d 'Make keys that encrypt templates, or sign what webhooks get'
complete -c faceplate -n "__fish_faceplate_needs_command" -f -a "eval" -d 'Measure accuracy and attack detection on labeled files'
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -l check -d 'Check settings, models and surroundings, and stop'
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -l print-settings -d 'Print the settings in force and stop'
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -l origin -d 'With each setting, print where its value comes from'
complete -c faceplate -n "__fish_faceplate_using_subcommand serve" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand doctor" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand doctor" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand doctor" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand doctor" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand doctor" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand doctor" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand doctor" -l json -d 'Print JSON'
complete -c faceplate -n "__fish_faceplate_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand healthcheck" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand healthcheck" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand healthcheck" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand healthcheck" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand healthcheck" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand healthcheck" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand healthcheck" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand cameras" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand cameras" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand cameras" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand cameras" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand cameras" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand cameras" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand cameras" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l vectors -d 'With "people": vectors of 128 signed bytes, the last 16 of which are searched for; random ones without' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l step -d 'Measure this step alone' -r -f -a "extract\t''
compare\t''
liveness\t''
detector\t''
embedder\t''
attack-model\t''
landmarks\t''"
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l runs -d 'How often each step is timed' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l team -d 'Threads that work together on each model; of more than one, wall time is measured' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -l alone -d 'Cut the work for the whole team, but compute all of it on one thread: cross/count counts what each of the team would do'
complete -c faceplate -n "__fish_faceplate_using_subcommand bench" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and not __fish_seen_subcommand_from show join" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and not __fish_seen_subcommand_from show join" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and not __fish_seen_subcommand_from show join" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and not __fish_seen_subcommand_from show join" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and not __fish_seen_subcommand_from show join" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and not __fish_seen_subcommand_from show join" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and not __fish_seen_subcommand_from show join" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and not __fish_seen_subcommand_from show join" -f -a "show" -d 'Show what a template file holds, without the values that identify a person'
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and not __fish_seen_subcommand_from show join" -f -a "join" -d 'Join templates of one person\'s pictures to one template'
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from show" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from show" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from show" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from show" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from show" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from show" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from join" -l out -d 'Write to this file instead of standard output' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from join" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from join" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from join" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from join" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from join" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from join" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand template; and __fish_seen_subcommand_from join" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and not __fish_seen_subcommand_from light site" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and not __fish_seen_subcommand_from light site" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and not __fish_seen_subcommand_from light site" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and not __fish_seen_subcommand_from light site" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and not __fish_seen_subcommand_from light site" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and not __fish_seen_subcommand_from light site" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and not __fish_seen_subcommand_from light site" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and not __fish_seen_subcommand_from light site" -f -a "light" -d 'Have the running service measure its screen\'s light on a person\'s face, and print the settings for it'
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and not __fish_seen_subcommand_from light site" -f -a "site" -d 'Measure non-mated scores on this site\'s pictures, and print the settings for them'
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from light" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from light" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from light" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from light" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from light" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from light" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from light" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from site" -l root -d 'Pictures or templates of at least 50 people, a folder for each' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from site" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from site" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from site" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from site" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from site" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from site" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand calibrate; and __fish_seen_subcommand_from site" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -f -a "new" -d 'Make a token: print the secret to standard error, and the settings lines to standard output'
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -f -a "list" -d 'List the tokens in the settings'
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -f -a "revoke" -d 'Remove a token from a settings file'
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from new" -l write -d 'Append the settings lines to this file instead' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from new" -l qr -d 'Also print a link and its QR code that sign a browser in at the console of this address, such as http://10.0.0.5:8080' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from list" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from list" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from list" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from list" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from list" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from list" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from revoke" -l write -d 'The settings file' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand token; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -f -a "list" -d 'List who is enrolled'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -f -a "show" -d 'Show what is stored of a person'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -f -a "add" -d 'Enroll a person, or add templates to one who is enrolled'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -f -a "remove" -d 'Delete a person and all templates'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -f -a "export" -d 'Write people as lines of JSON: a backup, a move, or what is stored of one person'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -f -a "import" -d 'Enroll the people of such lines, all or none'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and not __fish_seen_subcommand_from list show add remove export import identify" -f -a "identify" -d 'Tell who a face is'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from list" -l group -d 'Only those in this group' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from list" -l text -d 'Only those with this in their id, name or external id' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from list" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from list" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from list" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from list" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from list" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from list" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from show" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from show" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from show" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from show" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from show" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from show" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l name -d 'The name that is shown' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l group -d 'A group, any number of times' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l valid-from -d 'Unknown before this time, such as 2027-01-01T00:00:00Z' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l valid-until -d 'Unknown from this time on' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l liveness -d 'What is asked of liveness before the camera: required, challenge or challenge+light' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l camera -d 'Add a template of the person before the camera'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -l force -d 'Add templates though the face is another person\'s'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from remove" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from remove" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from remove" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from remove" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from remove" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from remove" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from export" -l id -d 'Only this person' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from export" -l out -d 'Write to this file instead of standard output' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from export" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from export" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from export" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from export" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from export" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from export" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from import" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from import" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from import" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from import" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from import" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from import" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from import" -l replace -d 'Replace people who are enrolled already'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from identify" -l liveness -d 'What is asked of liveness before the camera: required, challenge or challenge+light' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from identify" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from identify" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from identify" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from identify" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from identify" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from identify" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand people; and __fish_seen_subcommand_from identify" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -f -a "show" -d 'Show what the door is doing'
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -f -a "open" -d 'Open the lock for a pulse'
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -f -a "mode" -d 'Switch who is let in'
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and not __fish_seen_subcommand_from show open mode release" -f -a "release" -d 'Shut the lock and release its line: for the end of a service that could not'
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from show" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from show" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from show" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from show" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from show" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from show" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from open" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from open" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from open" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from open" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from open" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from open" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from open" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from mode" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from mode" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from mode" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from mode" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from mode" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from mode" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from mode" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from release" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from release" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from release" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from release" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from release" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from release" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand door; and __fish_seen_subcommand_from release" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand key; and not __fish_seen_subcommand_from new webhook" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand key; and not __fish_seen_subcommand_from new webhook" -f -a "new" -d 'Print a new key'
complete -c faceplate -n "__fish_faceplate_using_subcommand key; and not __fish_seen_subcommand_from new webhook" -f -a "webhook" -d 'Print a new secret of a webhook'
complete -c faceplate -n "__fish_faceplate_using_subcommand key; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand key; and __fish_seen_subcommand_from webhook" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -f -a "verification" -d 'Report accuracy on labeled pairs'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -f -a "knots" -d 'Report the score curve that pictures of many people give'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -f -a "liveness" -d 'Report error rates of attack detection, by species'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -f -a "challenge" -d 'Report head turns and challenges met on recordings by species, or guide through presentations before the camera'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -f -a "light" -d 'Report how surely screen light is told, injected into recordings by species'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -f -a "detection" -d 'Report which faces are found, and which one is chosen'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -f -a "identification" -d 'Report how often people of a gallery are not identified, and strangers are'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and not __fish_seen_subcommand_from verification knots liveness challenge light detection identification degradation" -f -a "degradation" -d 'Report false matches on degraded pictures'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l root -d 'Folder of the files; of people, one folder each' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l pairs -d 'Columns file_a, file_b, same, and fold if there are any' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l aliases -d 'Columns name_a, name_b: identities that are one person' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -l json -d 'Print JSON'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from verification" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -l root -d 'Folder of the files; of people, one folder each' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -l aliases -d 'Columns name_a, name_b: identities that are one person' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -l json -d 'Print JSON'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from knots" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -l root -d 'Folder of the files; of people, one folder each' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -l csv -d 'Write a line for each file' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -l json -d 'Print JSON'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from liveness" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l root -d 'Folder of the recordings, one folder each species' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l record -d 'Guide through presentations before the running service\'s camera, append them to this file, and report on all in it' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l light -d 'Ask for the screen\'s light as well; a page shows the prompts'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -l json -d 'Print JSON'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from challenge" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from light" -l root -d 'Folder of the files; of people, one folder each' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from light" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from light" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from light" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from light" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from light" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from light" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from light" -l json -d 'Print JSON'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from light" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -l root -d 'Folder of the files; of people, one folder each' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -l counts -d 'Columns file, true_faces' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -l json -d 'Print JSON'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from detection" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -l root -d 'Folder of the files; of people, one folder each' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -l aliases -d 'Columns name_a, name_b: identities that are one person' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -l json -d 'Print JSON'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from identification" -s h -l help -d 'Print help'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -l root -d 'Folder of the files; of people, one folder each' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -l people -d 'Number of people' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -l settings -d 'The settings file (TOML)' -r -F
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -l set -d 'Any setting' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -l listen -d 'server.listen: where to listen' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -l models -d 'inference.models: other models than the embedded ones' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -l workers -d 'inference.workers: how many threads infer' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -l log -d 'log.level: error, warn, info, debug, trace, or as RUST_LOG has it' -r
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -l json -d 'Print JSON'
complete -c faceplate -n "__fish_faceplate_using_subcommand eval; and __fish_seen_subcommand_from degradation" -s h -l help -d 'Print help'
