# cmake -DFOLDER=migrations -DOUTPUT=migrations_embedded.c -P embed_migrations.cmake
# Writes the migrations as C arrays, so that one binary can bring a database up without a checkout beside it.
file(GLOB files ${FOLDER}/*.sql)
list(SORT files)
set(arrays "")
set(rows "")
set(i 0)
foreach(f ${files})
    get_filename_component(name ${f} NAME)
    file(READ ${f} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const unsigned char text_${i}[] = {${bytes}0x00};\n")
    string(APPEND rows "    {\"${name}\", text_${i}, sizeof text_${i} - 1},\n")
    math(EXPR i "${i} + 1")
endforeach()
file(WRITE ${OUTPUT}.new "/* Made from migrations/ by embed_migrations.cmake. */
#include \"controlplane/store/migrate_files.h\"

${arrays}
const struct migration_embedded migration_embedded[] = {
${rows}};
const size_t migration_embedded_count = ${i};
")
file(RENAME ${OUTPUT}.new ${OUTPUT})
