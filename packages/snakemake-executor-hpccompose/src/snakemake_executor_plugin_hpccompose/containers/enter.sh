# The command script of a container: sets variables that cannot be handed over as they are, goes to the folder, becomes the command.
# Words: folder, home folder, names of the variables that HPCC_SET_* hold with \\ and \n written out, then the command.
hpcc_folder=$1
HOME=$2
export HOME
hpcc_names=$3
shift 3
for hpcc_name in $hpcc_names; do
  eval "hpcc_value=\$HPCC_SET_$hpcc_name"
  hpcc_value=$(printf '%b.' "$hpcc_value")
  eval "$hpcc_name=\${hpcc_value%.}"
  export "$hpcc_name"
  unset "HPCC_SET_$hpcc_name"
done
cd -- "$hpcc_folder" || exit 1
unset hpcc_folder hpcc_names hpcc_name hpcc_value OLDPWD
exec "$@"
