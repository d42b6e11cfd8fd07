// Pictures on the map.
function paintPictures() {}
const picturesInView = () => false;
