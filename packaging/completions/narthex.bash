# shellcheck shell=bash
# Completion of narthex for bash. Flags come from the program's own help, so they are those of the
# version that is installed.

_narthex_flags() {
    # `--name`, `--name=`, and both spellings of a switch that is on.
    narthex "$@" --help 2>/dev/null | awk '
        match($0, /^  ? ? ? ? ?(-[a-z], )?--[^ ]+/) {
            flag = substr($0, RSTART, RLENGTH)
            sub(/^ +(-[a-z], )?/, "", flag)
            if (flag ~ /=/) { sub(/=.*/, "=", flag); print flag }
            else if (sub(/\[no-\]/, "", flag)) { print flag; sub(/^--/, "--no-", flag); print flag }
            else print flag
        }'
}

_narthex() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} value=
    COMPREPLY=()
    # Bash breaks words at "=": `--name=value` comes in three.
    if [[ $word == '=' ]]; then
        value=${COMP_WORDS[COMP_CWORD - 1]}
        word=
    elif [[ $previous == '=' ]]; then
        value=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $previous == --* && $previous != --*.enable* ]]; then
        value=$previous
    fi
    case $value in
    --config.file | --file)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --storage.agent.path)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    --log.level)
        mapfile -t COMPREPLY < <(compgen -W 'debug info warn error' -- "$word")
        return
        ;;
    --log.format)
        mapfile -t COMPREPLY < <(compgen -W 'logfmt json' -- "$word")
        return
        ;;
    esac
    if ((COMP_CWORD == 1)) && [[ $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'check discover log receive' -- "$word")
        return
    fi
    case ${COMP_WORDS[1]} in
    check)
        if ((COMP_CWORD == 2)); then
            COMPREPLY=(config)
        elif [[ $word == -* ]]; then
            COMPREPLY=(--syntax-only)
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        return
        ;;
    log)
        if ((COMP_CWORD == 2)); then
            mapfile -t COMPREPLY < <(compgen -W 'inspect verify dump rejected' -- "$word")
        elif [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_narthex_flags log)" -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
        fi
        ;;
    discover | receive)
        if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_narthex_flags "${COMP_WORDS[1]}")" -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "$(_narthex_flags)" -- "$word")
        ;;
    esac
    [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -o filenames -F _narthex narthex
