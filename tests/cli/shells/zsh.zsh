# Types each line of standard input, and Tab, into an interactive zsh with the completions in file $1, in
# folder $2, and prints what is shown.
zmodload zsh/zpty
zpty z 'TERM=dumb zsh -f -i'
# In two parts, as what is typed is shown as well.
zpty -w z 'show() { zle list-choices; zle -R; print -rn -- "<E""ND>" }'
zpty -w z "PS1= PS2= RPS1=; cd $2; autoload -Uz compinit; compinit -D -u; source $1"
zpty -w z "unsetopt prompt_cr prompt_sp; setopt no_beep; LISTMAX=1000; zle -N show; bindkey '^I' show"
zpty -w z 'print "<REA""DY>"'
zpty -r -m z out '*<READY>*'
while IFS= read -r line; do
  zpty -w -n z "$line"$'\t'
  zpty -r -m z out '*<END>*'
  zpty -w -n z $'\C-u'
  print -r -- "$out"
done
