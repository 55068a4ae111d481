# Completion of narthex for fish. Flags come from the program's own help, so they are those of the
# version that is installed.

function __narthex_flags
    narthex $argv --help 2>/dev/null | awk '
        match($0, /^  ? ? ? ? ?(-[a-z], )?--[^ ]+/) {
            flag = substr($0, RSTART, RLENGTH)
            sub(/^ +(-[a-z], )?/, "", flag)
            if (flag ~ /=/) { sub(/=.*/, "=", flag); print flag }
            else if (sub(/\[no-\]/, "", flag)) { print flag; sub(/^--/, "--no-", flag); print flag }
            else print flag
        }'
end

function __narthex_command
    # The words before the cursor are exactly the program and these.
    set -l words (commandline -opc)
    test "$words[2..]" = "$argv"
end

function __narthex_in
    set -l words (commandline -opc)
    set -q words[2]; and contains -- $words[2] $argv
end

set -l commands check discover log receive
complete -c narthex -f -n __narthex_command -a "$commands"
complete -c narthex -f -n "not __narthex_in $commands" -a '(__narthex_flags)'
complete -c narthex -f -n '__narthex_command check' -a config
complete -c narthex -F -n '__narthex_in check; and not __narthex_command check' -a --syntax-only
complete -c narthex -f -n '__narthex_command log' -a 'inspect verify dump rejected'
complete -c narthex -F -n '__narthex_in log; and not __narthex_command log' -a '(__narthex_flags log)'
complete -c narthex -F -n '__narthex_in discover' -a '(__narthex_flags discover)'
complete -c narthex -F -n '__narthex_in receive' -a '(__narthex_flags receive)'
